import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { InjectStreamback, Remote, StreambackClient } from '../../../lib';

// #region futures
@Injectable()
export class Calculator {
  @Remote({ name: 'calculator' })
  add(a: number, b: number): number {
    return a + b;
  }
}

@Injectable()
export class CalculatorUser {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  add(a: number, b: number): Promise<number> {
    return firstValueFrom(this.client.remote<Calculator>('calculator').add(a, b));
  }
}
// #endregion
