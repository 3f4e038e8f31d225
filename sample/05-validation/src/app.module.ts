import { Module, ValidationPipe, type ValidationError } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { RpcException } from '@nestjs/microservices';
import { StreambackModule } from 'nestjs-streamback';
import { OrdersController } from './orders.controller';
import { OrdersService } from './orders.service';

/** The paths of what is wrong, which is all that a sender is told. */
const pathsOf = (errors: ValidationError[], parent = ''): string[] =>
  errors.flatMap(({ property, children = [] }) =>
    children.length > 0 ? pathsOf(children, `${parent}${property}.`) : [`${parent}${property}`],
  );

@Module({
  imports: [StreambackModule.forRoot({ group: 'validation', streams: process.env.STREAMBACK_STREAMS ?? 'memory://' })],
  controllers: [OrdersController],
  providers: [
    OrdersService,
    {
      provide: APP_PIPE,
      useValue: new ValidationPipe({
        transform: true,
        exceptionFactory: (errors) => new RpcException(`not valid: ${pathsOf(errors).join(', ')}`),
      }),
    },
  ],
})
export class AppModule {}
