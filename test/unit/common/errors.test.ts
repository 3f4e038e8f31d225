import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../lib/common/error-codes';
import {
  StreambackConfigError,
  StreambackConnectionError,
  StreambackError,
  StreambackLaneError,
  StreambackPublishError,
  StreambackTimeoutError,
} from '../../../lib/common/errors';

describe('errors', () => {
  it('say their code, and what the table says of it', () => {
    const error = new StreambackPublishError('PUBLISH_TIMEOUT', 'late');
    expect(error).toMatchObject({ name: 'StreambackPublishError', message: 'late', code: 'PUBLISH_TIMEOUT', retryable: true });
    expect(error.remedy).toBe(ERROR_CODES.PUBLISH_TIMEOUT.remedy);
    expect(new StreambackPublishError('TOO_LARGE', 'big').retryable).toBe(false);
    expect(error).toBeInstanceOf(StreambackError);
    expect(error).toBeInstanceOf(Error);
  });

  it('take a better remedy, and a cause', () => {
    const cause = { why: 1 };
    const error = new StreambackConnectionError('UNREACHABLE', 'no', { cause, remedy: 'Plug it in.' });
    expect(error).toMatchObject({ remedy: 'Plug it in.', cause });
    expect(Object.hasOwn(new StreambackConnectionError('UNREACHABLE', 'no'), 'cause')).toBe(false);
  });

  it('name the option at fault', () => {
    expect(new StreambackConfigError('INVALID_OPTION', 'bad', { option: 'kafka.partitions' }).option).toBe('kafka.partitions');
    expect(new StreambackConfigError('INVALID_PATTERN', 'bad').option).toBeUndefined();
  });

  it('a timeout is a lane error that says what was waited for', () => {
    const error = new StreambackTimeoutError('IDLE_TIMEOUT', 'late', { waitingFor: 'consumer' });
    expect(error).toBeInstanceOf(StreambackLaneError);
    expect(error).toMatchObject({ name: 'StreambackTimeoutError', waitingFor: 'consumer', retryable: true });
  });
});
