import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import type { Message, Venue } from '../peer';
import { Requester } from './handwritten-requester';
import type { Form } from './handwritten-wire';

/** The sending half of the loop as a client of Nest's, with nothing around it. */
export class HandwrittenNestClient extends ClientProxy<never> {
  private starting: Promise<void> | undefined;
  private requester: Requester | undefined;

  constructor(
    private readonly venue: Venue,
    private readonly form: Form,
  ) {
    super();
  }

  connect(): Promise<void> {
    return (this.starting ??= Requester.start(this.venue, this.form).then((requester) => void (this.requester = requester)));
  }

  close(): Promise<void> | undefined {
    return this.requester?.close();
  }

  unwrap<Wrapped>(): Wrapped {
    return this.requester as Wrapped;
  }

  protected publish({ pattern, data }: ReadPacket<Message>, callback: (packet: WritePacket) => void): () => void {
    const id = this.requester!.ask(
      pattern as string,
      data,
      (response, isDisposed) => callback({ response, isDisposed }),
      (err) => callback({ err }),
    );
    return () => this.requester!.forget(id);
  }

  protected dispatchEvent<Result>({ pattern, data }: ReadPacket<Message>): Promise<Result> {
    return this.requester!.emit(pattern as string, data) as Promise<Result>;
  }
}
