import 'reflect-metadata';
import { Controller, Module, type ModuleMetadata } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { handled } from '../handled';
import type { Item, Message, Topics } from '../peer';

export type Imports = NonNullable<ModuleMetadata['imports']>;
export type Providers = NonNullable<ModuleMetadata['providers']>;

/**
 * A server's module: the same handlers for all transports. Decorators take the round's topics.
 * @param stream how the transport takes the items of a streamed answer
 */
export function benchModule(
  topics: Topics,
  stream: (items: Generator<Item>) => unknown,
  imports: Imports = [],
  providers: Providers = [],
): new () => object {
  @Controller()
  class BenchController {
    @EventPattern<string>(topics.events)
    onEvent(@Payload() message: Message): void {
      handled.note(message);
    }

    @MessagePattern(topics.calls)
    onCall(@Payload() message: Message): Message {
      handled.note(message);
      return message;
    }

    @MessagePattern(topics.streams)
    onStream(@Payload() message: Message): unknown {
      handled.note(message);
      return stream(handled.itemsOf(message));
    }
  }

  @Module({ imports, providers, controllers: [BenchController] })
  class BenchModule {}

  return BenchModule;
}
