/** One peer under one workload, in one round. CPU is user and system. */
export interface WorkloadRow {
  readonly round: number;
  readonly peer: string;
  readonly workload: string;
  readonly ratePerSecond: number;
  /** Of a call, or of a stream from its request to its end. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** From a stream's request to its first item, the median. */
  readonly firstItemMs?: number;
  /** CPU a message. */
  readonly clientMicros: number;
  readonly serverMicros: number;
  /** Of Kafka, Redis and NATS together; NaN where they are not the bench's own. */
  readonly brokersMicros: number;
  readonly lost: number;
  readonly twice: number;
  readonly disordered: number;
  /** The most items seen made and not yet read, where a reader is slow. */
  readonly waiting?: number;
  /** Resident memory afterwards. */
  readonly clientBytes: number;
  readonly serverBytes: number;
  readonly errors: readonly string[];
}

/** One peer in one round, apart from its workloads. */
export interface PeerRow {
  readonly round: number;
  readonly peer: string;
  /** From the start of the server's process until it takes messages. */
  readonly serverReadyMs: number;
  /** From the start of the client's process to the first answer; the server is ready by then. */
  readonly firstAnswerMs: number;
  /** The first call's part of it. */
  readonly firstCallMs: number;
  /** Share of a core while nothing is asked. */
  readonly idleClientShare?: number;
  readonly idleServerShare?: number;
  /** Resident memory once it is connected, and after all workloads. */
  readonly restClientBytes: number;
  readonly restServerBytes: number;
  readonly loadedClientBytes: number;
  readonly loadedServerBytes: number;
}

/** All that was measured, as `--json` writes it. */
export interface Measured {
  /** The package of this library: its file's name, and the beginning of its SHA-256. */
  readonly packed: string;
  readonly at: string;
  readonly node: string;
  readonly cores: number;
  readonly pinned: boolean;
  readonly options: { readonly rounds: number; readonly seconds: number };
  readonly workloads: readonly WorkloadRow[];
  readonly peers: readonly PeerRow[];
  /** Peers that could not be measured here, and why. */
  readonly skipped: readonly string[];
  /** Peers that failed in a round, and how. */
  readonly failures: readonly string[];
}
