import type { PeerRow, WorkloadRow } from '../../../bench/rows';

const MB = 1e6;

/** A row of which a test says only what it is about. */
export const workloadRow = (row: Partial<WorkloadRow>): WorkloadRow => ({
  round: 1,
  peer: 'streamback',
  workload: 'rpc100',
  ratePerSecond: 1_000,
  p50Ms: 1,
  p99Ms: 2,
  clientMicros: 10,
  serverMicros: 5,
  brokersMicros: 1,
  lost: 0,
  twice: 0,
  disordered: 0,
  clientBytes: 100 * MB,
  serverBytes: 50 * MB,
  errors: [],
  ...row,
});

export const peerRow = (row: Partial<PeerRow>): PeerRow => ({
  round: 1,
  peer: 'streamback',
  serverReadyMs: 200,
  firstAnswerMs: 300,
  firstCallMs: 20,
  idleClientShare: 0.02,
  idleServerShare: 0.03,
  restClientBytes: 60 * MB,
  restServerBytes: 60 * MB,
  loadedClientBytes: 100 * MB,
  loadedServerBytes: 100 * MB,
  ...row,
});
