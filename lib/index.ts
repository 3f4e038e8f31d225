export { ERROR_CODES, type StreambackErrorCode } from './common/error-codes';
export {
  StreambackAbortError,
  StreambackConfigError,
  StreambackConnectionError,
  StreambackError,
  StreambackLaneError,
  StreambackMessageError,
  StreambackPublishError,
  StreambackTimeoutError,
  type WaitingFor,
} from './common/errors';
export type { DeadLetter } from './consumer/dead-letter';
export type { ReplayResult } from './consumer/dead-letter-replay';
export type { StreambackListenerOptions, StreambackOrder } from './consumer/listener';
export type { StreambackRetryOn, StreambackRetryOptions } from './consumer/retry';
export { AutoRestart, type AutoRestartOptions } from './extensions/auto-restart';
export { ListenerStats, type ListenerStatsOptions } from './extensions/listener-stats';
export { StreambackHealth, type StreambackHealthResult } from './health/streamback.health';
export type { StreambackConnectionHealth, StreambackHealthStatus } from './health/verdict';
export type { AnswerType } from './producer/answer-type';
export type { GatherResult, GatheredAnswers } from './producer/gather-request';
export type { Lane, LaneReadOptions } from './producer/lane';
export type { FeedbackForm, StreambackRequestDefaults, StreambackRequestOptions } from './producer/request-options';
export { CronExpression } from './scheduler/cron-expression';
export { CronMessage } from './scheduler/cron-message.decorator';
export type { CronWeekdays } from './scheduler/cron-times';
export type { CatchUp, CronMessageOptions, Schedule, ScheduleOptions } from './scheduler/schedule-options';
export { StreambackScheduleRegistry } from './scheduler/schedule.registry';
export type { ConsumeResult, ConsumeRetry, LifecycleHooks, StreambackListening, StreambackRebalance } from './lifecycle/hooks';
export type { ListenerStatsFigures, WorkerStats } from './lifecycle/worker-stats';
export { StreambackModule, type StreambackModuleAsyncOptions, type StreambackModuleOptions } from './streamback.module';
export type { StreambackOptions, StreambackOptionsFactory, StreambackStreams } from './streamback.options';
export { getStreambackClientToken, getStreambackServerToken, getStreambackTransportId, InjectStreamback } from './streamback.tokens';
export type * from './streams/feedback-stream';
export type { StreambackKafkaOptions } from './streams/kafka/kafka.options';
export type { KafkaPartitioner } from './streams/kafka/kafka.partitioner';
export type * from './streams/main-stream';
export type { StreambackRedisOptions } from './streams/redis/redis.options';
export type * from './streams/schedule-store';
export type { SupervisedWorker, SupervisorTick, WorkerInfo, WorkerStatus } from './common/process-role';
export { BatchPattern, type StreambackBatchOptions } from './transport/batch-pattern.decorator';
export type { StreambackGatherOptions } from './transport/gather-options';
export { StreambackLifecycle, type StreambackLifecycleHooks, type StreambackLifecycleOptions } from './transport/lifecycle.decorator';
export { listener } from './transport/listener';
export { Remote, type StreambackRemoteOptions } from './transport/remote.decorator';
export { StreambackBatchContext } from './transport/streamback.batch-context';
export { StreambackClient } from './transport/streamback.client';
export { StreambackContext } from './transport/streamback.context';
export { StreambackDeadLetters, type DeadLetterOptions } from './transport/streamback.dead-letters';
export { StreambackRecord, StreambackRecordBuilder } from './transport/streamback.record';
export type { RemoteAnswer, RemoteArguments, StreambackRemote } from './transport/streamback.remote';
export { StreambackServer } from './transport/streamback.server';
export { runWorkers, type RunWorkersOptions } from './workers/run-workers.bootstrap';
export type { StreambackProcesses } from './workers/scale';
export type { WorkerBootstrap } from './workers/worker.bootstrap';
