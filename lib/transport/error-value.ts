import { HttpException } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';

const UNKNOWN = { status: 'error', message: 'Internal server error' } as const;

/**
 * What a requester is told of an error, as Nest's own transports tell it: what exception filters made is passed on as it is; an
 * `RpcException` that met no filter gives what it carries; any other error tells nothing of itself.
 */
export function errorValue(error: unknown): unknown {
  if (error instanceof RpcException) {
    const carried = error.getError();
    return typeof carried === 'string' ? { status: 'error', message: carried } : carried;
  }
  return error instanceof Error || error === undefined || typeof error === 'function' ? UNKNOWN : error;
}

/** Whether an error is what a handler has to say to its caller: neither tried again nor dead-lettered. */
export function isAnswer(error: unknown): boolean {
  return error instanceof RpcException || (error instanceof HttpException && error.getStatus() < 500);
}
