import { streambackPeer } from './streamback-peer';

export const peer = streambackPeer(({ group }) => `memory://${group}`);
