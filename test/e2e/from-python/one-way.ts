import { Controller, Injectable, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { InjectStreamback, StreambackClient, StreambackModule } from '../../../lib';

// #region one-way-consumer
@Controller()
export class HelloController {
  @EventPattern('test_hello')
  hello(@Payload() value: { something: string }): void {
    console.log('received:', value);
  }
}

@Module({
  imports: [StreambackModule.forRoot({ group: 'example_consumer_app', streams: process.env.STREAMBACK_STREAMS })],
  controllers: [HelloController],
})
export class ConsumerModule {}
// #endregion

// #region one-way-producer
@Injectable()
export class HelloService {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  async greet(): Promise<void> {
    await lastValueFrom(this.client.emit('test_hello', { something: 'Hello world!' })); // the broker has it
  }
}
// #endregion
