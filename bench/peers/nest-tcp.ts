import { ClientTCP, Transport } from '@nestjs/microservices';
import type { Venue } from '../peer';
import { nestPeer } from './nest-peer';

const options = ({ port }: Venue) => ({ host: '127.0.0.1', port });

export const peer = nestPeer(
  (venue) => ({ transport: Transport.TCP, options: options(venue) }),
  (venue) => new ClientTCP(options(venue)),
);
