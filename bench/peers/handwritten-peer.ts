import { handled } from '../handled';
import type { Item, Peer, PeerClient, Venue } from '../peer';
import { startConsumer } from './handwritten-consumer';
import { Replies } from './handwritten-replies';
import { Requester } from './handwritten-requester';
import type { Form } from './handwritten-wire';

async function startServer(venue: Venue, form: Form): Promise<() => Promise<unknown>> {
  const replies = new Replies(venue.redisUrl, form);
  const close = await startConsumer(venue, (topic, { message, request }) => {
    handled.note(message);
    if (!request) return;
    const { id, inbox } = request;
    if (topic === venue.topics.calls) return replies.add(inbox, { id, value: message, end: true });
    for (const item of handled.itemsOf(message)) replies.add(inbox, { id, value: item, end: item.id === message.items! - 1 });
  });
  return () => Promise.all([close(), replies.close()]);
}

async function startClient(venue: Venue, form: Form): Promise<PeerClient> {
  const { topics } = venue;
  const requester = await Requester.start(venue, form);
  return {
    emit: (message) => requester.emit(topics.events, message),
    ask: (kind, message, onAnswer) =>
      new Promise((resolve, reject) => {
        const take = (value: Item, end: boolean): void => {
          onAnswer(value);
          if (end) resolve();
        };
        const id = requester.ask(topics[kind], message, take, (error) => {
          // What comes for it after all is not of the next message.
          requester.forget(id);
          reject(error);
        });
      }),
    close: () => requester.close(),
  };
}

/** kafkajs and ioredis by hand, the fast way, with none of what makes a library: no timeouts, no retries, no cancel, no backpressure. */
export function handwrittenPeer(form: Form): Peer {
  return {
    startServer: (venue) => startServer(venue, form),
    startClient: (venue) => startClient(venue, form),
  };
}
