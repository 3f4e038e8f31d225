import { StreambackConfigError, type StreambackErrorDetails } from '../common/errors';

export const invalidSchedule = (message: string, details?: StreambackErrorDetails): StreambackConfigError =>
  new StreambackConfigError('INVALID_SCHEDULE', message, { option: 'schedules', ...details });
