import { ClientRedis, Transport } from '@nestjs/microservices';
import type { Venue } from '../peer';
import { nestPeer } from './nest-peer';

const options = ({ redisUrl }: Venue) => {
  const { hostname, port, password } = new URL(redisUrl);
  return { host: hostname, port: Number(port || 6379), ...(password ? { password } : {}) };
};

export const peer = nestPeer(
  (venue) => ({ transport: Transport.REDIS, options: options(venue) }),
  (venue) => new ClientRedis(options(venue)),
);
