import { brokersOf, streambackPeer } from './streamback-peer';

export const peer = streambackPeer(brokersOf);
