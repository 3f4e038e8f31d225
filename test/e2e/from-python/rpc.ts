import { Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { firstValueFrom, type Observable } from 'rxjs';
import { InjectStreamback, StreambackClient, StreambackContext, StreambackRecordBuilder } from '../../../lib';

// #region rpc-consumer
@Controller()
export class HelloRpcController {
  @MessagePattern('test_hello_rpc')
  hello(@Payload() value: { something: string }): string {
    console.log('received:', value);
    return 'Hello from the consumer!';
  }
}
// #endregion

// #region rpc-producer
@Injectable()
export class HelloRpcService {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  hello(): Promise<string> {
    const record = new StreambackRecordBuilder({ something: 'Hello world!' }).setIdleTimeoutMs(10_000).build();
    return firstValueFrom(this.client.send<string>('test_hello_rpc', record));
  }
}
// #endregion

// #region stream-consumer
@Controller()
export class HelloStreamController {
  @MessagePattern('test_hello_stream')
  async *hello(@Payload() value: { something: string }, @Ctx() context: StreambackContext): AsyncGenerator<string> {
    console.log('received:', value);
    for (let i = 0; i < 10 && !context.signal.aborted; i += 1) yield `Hello #${i} from the consumer!`;
  }
}
// #endregion

// #region stream-producer
@Injectable()
export class HelloStreamService {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  all(): Observable<string> {
    return this.client.send<string>('test_hello_stream', { something: 'Hello world!' });
  }

  async firstThree(): Promise<(string | undefined)[]> {
    const lane = this.client.open<string>('test_hello_stream', { something: 'Hello world!' });
    const messages = [await lane.read(), await lane.read(), await lane.read()];
    lane.close(); // the handler is stopped; Python's goes on
    return messages;
  }
}
// #endregion
