import {
  type CallHandler,
  Catch,
  type ExecutionContext,
  Injectable,
  Module,
  type NestInterceptor,
  type RpcExceptionFilter,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { finalize, type Observable, tap } from 'rxjs';
import { StreambackContext } from '../../../lib';

// #region callbacks
@Injectable()
export class ConsumeCallbacks implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const context = execution.switchToRpc().getContext<StreambackContext>();
    console.log('on_consume_begin:', context.getPattern(), context.getId());
    return next.handle().pipe(
      tap({ error: (error: Error) => console.log('on_consume_exception:', error.name) }),
      finalize(() => console.log('on_consume_end:', context.getId())),
    );
  }
}

@Catch()
export class OnException extends BaseRpcExceptionFilter implements RpcExceptionFilter {
  override catch(exception: Error, host: Parameters<BaseRpcExceptionFilter['catch']>[1]): Observable<unknown> {
    console.log('on_exception:', exception.message);
    return super.catch(exception, host);
  }
}

@Module({
  providers: [
    { provide: APP_INTERCEPTOR, useClass: ConsumeCallbacks },
    { provide: APP_FILTER, useClass: OnException },
  ],
})
export class CallbacksModule {}
// #endregion
