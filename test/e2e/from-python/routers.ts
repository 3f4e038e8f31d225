import { Controller, Module } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { StreambackModule } from '../../../lib';

// #region router
@Controller()
export class SomeController {
  @EventPattern('test_hello')
  hello(value: unknown): void {
    console.log('received:', value);
  }
}

@Module({ controllers: [SomeController] })
export class SomeModule {}

@Module({
  imports: [StreambackModule.forRoot({ group: 'example_consumer_app', streams: process.env.STREAMBACK_STREAMS }), SomeModule],
})
export class AppModule {}
// #endregion
