import { Controller, Injectable, ValidationPipe } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { IsString } from 'class-validator';
import { firstValueFrom } from 'rxjs';
import { InjectStreamback, StreambackClient, StreambackRecordBuilder } from '../../../lib';

// #region input-mapping
export class TestInput {
  @IsString()
  arg1!: string;

  @IsString()
  arg2!: string;
}

@Controller()
export class InputController {
  @MessagePattern('test_input')
  input(@Payload(new ValidationPipe({ transform: true })) input: TestInput): { arg1: string; arg2: string } {
    return { arg1: input.arg1, arg2: input.arg2 };
  }
}
// #endregion

// #region feedback-mapping
export class TestResponse {
  arg1!: string;
  arg2!: string;
}

@Injectable()
export class InputService {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  send(): Promise<TestResponse> {
    const record = new StreambackRecordBuilder({ arg1: 'Hello world!', arg2: 'Hello world!' }).setResponseType(TestResponse).build();
    return firstValueFrom(this.client.send('test_input', record));
  }

  read(): Promise<TestResponse | undefined> {
    return this.client.open('test_input', { arg1: 'Hello world!', arg2: 'Hello world!' }).read({ as: TestResponse });
  }
}
// #endregion

// #region input-injection
@Controller()
export class InjectedController {
  @MessagePattern('test_injected')
  input(@Payload('arg1') arg1: string, @Payload('arg2') arg2: string): string {
    return `${arg1} ${arg2}`;
  }
}
// #endregion
