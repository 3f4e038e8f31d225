/** How an error class is called in {@link ERROR_CODES}, and in docs/errors.md. */
export type StreambackErrorKind = 'config' | 'connection' | 'publish' | 'timeout' | 'lane' | 'abort' | 'message';

interface ErrorCode {
  readonly kind: StreambackErrorKind;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  /** What to do, where the place that throws knows nothing better. */
  readonly remedy: string;
}

/** Every code of this package. docs/errors.md lists the same; a test holds the two together. */
export const ERROR_CODES = {
  INVALID_OPTION: { kind: 'config', retryable: false, remedy: 'Correct the option; docs/options.md lists them all.' },
  INVALID_STREAMS_URL: {
    kind: 'config',
    retryable: false,
    remedy: "Write it as 'main=kafka://host:9092&feedback=redis://host:6379'.",
  },
  UNKNOWN_SCHEME: { kind: 'config', retryable: false, remedy: 'Use one of the schemes that the error names.' },
  MISSING_PACKAGE: { kind: 'config', retryable: false, remedy: 'Install the package that the error names.' },
  INVALID_PATTERN: {
    kind: 'config',
    retryable: false,
    remedy: 'Give the pattern a form that the error names, or a batch handler a pattern of its own.',
  },
  UNKNOWN_CONNECTION: {
    kind: 'config',
    retryable: false,
    remedy: 'Register the connection with StreambackModule.forRoot({ connection }).',
  },
  MISSING_CAPABILITY: { kind: 'config', retryable: false, remedy: 'Choose a stream that has what the error names.' },
  PLAINTEXT_SASL: {
    kind: 'config',
    retryable: false,
    remedy: 'Use kafka+ssl://, or say kafka: { allowPlaintextSasl: true } where the network itself is trusted.',
  },
  INVALID_SCHEDULE: { kind: 'config', retryable: false, remedy: 'Correct the schedule that the error names.' },
  UNREACHABLE: { kind: 'connection', retryable: true, remedy: 'Check that the server runs and that its address is right.' },
  UNKNOWN_TOPIC: {
    kind: 'connection',
    retryable: true,
    remedy:
      'Start a Nest service with a handler for the pattern (connectMicroservice): it creates the topic. For Python, create it by hand.',
  },
  FEEDBACK_UNWRITABLE: { kind: 'connection', retryable: true, remedy: 'Check that Redis has memory left and is not a read-only replica.' },
  AUTHENTICATION_FAILED: { kind: 'connection', retryable: false, remedy: 'Check user and password.' },
  NOT_AUTHORIZED: { kind: 'connection', retryable: false, remedy: 'Grant what the error names; docs/operations.md lists what is needed.' },
  GROUP_CONFLICT: {
    kind: 'connection',
    retryable: false,
    remedy:
      "Have all members of the group speak 'range' (kafka: partition.assignment.strategy), as Python streamback does, or take another group.",
  },
  CLOSED: { kind: 'connection', retryable: false, remedy: 'Do not use a client or server after close().' },
  NOT_SERIALIZABLE: { kind: 'publish', retryable: false, remedy: 'Send what JSON can hold: no cycles, no BigInt, no functions.' },
  TOO_LARGE: { kind: 'publish', retryable: false, remedy: 'Send less at once, or raise the limit that the error names.' },
  PUBLISH_TIMEOUT: {
    kind: 'publish',
    retryable: true,
    remedy: 'It may have arrived all the same: send it again only where twice is harmless. Raise publishTimeoutMs for a slow broker.',
  },
  BUFFER_FULL: {
    kind: 'publish',
    retryable: true,
    remedy: 'Send again when the broker has caught up: await what was sent, or raise maxPendingBytes.',
  },
  DEADLINE_EXCEEDED: { kind: 'timeout', retryable: true, remedy: 'Raise timeoutMs, or see why no answer came in time.' },
  IDLE_TIMEOUT: { kind: 'timeout', retryable: true, remedy: 'Raise idleTimeoutMs, or have the handler answer more often.' },
  READ_TIMEOUT: { kind: 'timeout', retryable: true, remedy: 'Read again: the lane is still open.' },
  GAP: { kind: 'lane', retryable: true, remedy: 'Send the request again; an answer was lost for good.' },
  INBOX_LOST: {
    kind: 'lane',
    retryable: true,
    remedy: 'Send the request again; Redis lost the answers (emptied, evicted or failed over).',
  },
  FEEDBACK_UNCERTAIN: {
    kind: 'lane',
    retryable: true,
    remedy: 'Send the request again; an answer may have been lost in a cut connection.',
  },
  RESTARTED: {
    kind: 'lane',
    retryable: true,
    remedy: 'Send the request again; the handler began anew after answers had been read.',
  },
  CONSUMER_LOST: {
    kind: 'lane',
    retryable: true,
    remedy: 'Send the request again; the process that answered it is gone.',
  },
  NO_LISTENER: {
    kind: 'lane',
    retryable: false,
    remedy: 'Give the pattern a handler in the group that gets its messages, or have the group not subscribe to its topic.',
  },
  OVERFLOW: {
    kind: 'lane',
    retryable: false,
    remedy: 'Answer with a generator, which waits for its reader, or raise maxBuffered, or read faster.',
  },
  MALFORMED_FRAME: {
    kind: 'lane',
    retryable: false,
    remedy: 'See what else writes to this feedback stream: the frame is not of the wire format.',
  },
  FEEDBACK_UNSUPPORTED: {
    kind: 'lane',
    retryable: false,
    remedy: "Leave the option 'feedback' out, so that it is found out, or set it to 'list' for this pattern.",
  },
  CANCELLED: { kind: 'abort', retryable: false, remedy: 'Nothing to do: the caller does not wait any more.' },
  SHUTDOWN: { kind: 'abort', retryable: true, remedy: 'Nothing to do: the message will be delivered again.' },
  REVOKED: { kind: 'abort', retryable: true, remedy: 'Nothing to do: the message will be delivered again.' },
  CLIENT_LOST: { kind: 'abort', retryable: false, remedy: 'Nothing to do: the client is gone.' },
  MALFORMED_MESSAGE: { kind: 'message', retryable: false, remedy: 'See what sends it; the dead letter has its bytes.' },
  HANDLER_FAILED: { kind: 'message', retryable: true, remedy: 'Mend the handler, then send the dead letters again.' },
  FOREIGN_FEEDBACK_KEY: {
    kind: 'message',
    retryable: false,
    remedy: 'See what sends it: answers go to streamback_feedback_… and streamback_inbox_… only.',
  },
} as const satisfies Record<string, ErrorCode>;

export type StreambackErrorCode = keyof typeof ERROR_CODES;

type CodesOf<Kind extends StreambackErrorKind> = {
  [Code in StreambackErrorCode]: (typeof ERROR_CODES)[Code]['kind'] extends Kind ? Code : never;
}[StreambackErrorCode];

export type ConfigErrorCode = CodesOf<'config'>;
export type ConnectionErrorCode = CodesOf<'connection'>;
export type PublishErrorCode = CodesOf<'publish'>;
export type TimeoutErrorCode = CodesOf<'timeout'>;
export type LaneErrorCode = CodesOf<'lane'>;
export type AbortErrorCode = CodesOf<'abort'>;
export type MessageErrorCode = CodesOf<'message'>;
