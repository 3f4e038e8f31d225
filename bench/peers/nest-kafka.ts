import { ClientKafka, Transport } from '@nestjs/microservices';
import { logLevel } from 'kafkajs';
import type { Venue } from '../peer';
import { nestPeer } from './nest-peer';

const options = ({ brokers, group }: Venue) => ({
  client: { brokers: [...brokers], logLevel: logLevel.NOTHING },
  consumer: { groupId: group },
});

export const peer = nestPeer(
  (venue) => ({ transport: Transport.KAFKA, options: options(venue) }),
  (venue) => {
    const client = new ClientKafka(options(venue));
    client.subscribeToResponseOf(venue.topics.calls);
    client.subscribeToResponseOf(venue.topics.streams);
    return client;
  },
);
