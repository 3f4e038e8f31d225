import { handwrittenPeer } from './handwritten-peer';

export const peer = handwrittenPeer({ packed: true });
