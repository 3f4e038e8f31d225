import { Observable } from 'rxjs';
import { distinctUntilChanged } from 'rxjs/operators';
import type { StreamStatus } from '../streams/main-stream';
import type { StreambackConnection } from './connection';

/** A connection's status as Nest's servers and clients show theirs. */
export function statusOf(connection: StreambackConnection): Observable<StreamStatus> {
  return new Observable<StreamStatus>((subscriber) => connection.onStatus((status) => subscriber.next(status))).pipe(
    distinctUntilChanged(),
  );
}
