import { streambackPeer } from './streamback-peer';

export const peer = streambackPeer(({ brokers, redisUrl }) => `main=kafka://${brokers.join(',')}&feedback=${redisUrl}`);
