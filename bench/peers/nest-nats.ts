import { ClientNats, Transport } from '@nestjs/microservices';
import type { Venue } from '../peer';
import { nestPeer } from './nest-peer';

const options = ({ natsUrl }: Venue) => ({ servers: [natsUrl] });

export const peer = nestPeer(
  (venue) => ({ transport: Transport.NATS, options: options(venue) }),
  (venue) => new ClientNats(options(venue)),
);
