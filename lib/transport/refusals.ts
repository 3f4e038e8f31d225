import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { currentCall } from '../context/call-context';

type Catch = BaseRpcExceptionFilter['catch'];

const noting = new WeakSet<Catch>();

/**
 * Has Nest's own exception filter note what it is given, before it makes an internal error of it: what a pipe, a guard or an interceptor
 * throws would be told nowhere else, neither in a log nor in a dead letter. Outside a message of this package the filter is as it was.
 */
export function noteRefusals(): void {
  const filter = BaseRpcExceptionFilter.prototype;
  const own = filter.catch;
  if (noting.has(own)) return;
  const notingCatch: Catch = function (this: BaseRpcExceptionFilter, exception, host) {
    currentCall()?.noteRefusal(exception);
    return own.call(this, exception, host);
  };
  noting.add(notingCatch);
  filter.catch = notingCatch;
}
