import type { ModulesContainer } from '@nestjs/core';
import { SYSTEM_CLOCK, type Clock } from './common/clock';
import { firstNames } from './common/first-names';
import type { StreambackConnections } from './streamback.connections';
import { untakenPatterns } from './transport/taken-handlers';

/** So long after the app's start its servers should listen, in ms: `startAllMicroservices()` usually follows `init()` at once. */
const LISTENING_WITHIN_MS = 5_000;

/** Looks, a moment after an app has started, for handlers that get no messages, because no server was connected for them. */
export class StartCheck {
  private timer: unknown;

  constructor(
    private readonly modules: ModulesContainer,
    private readonly connections: StreambackConnections,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  begin(): void {
    this.timer = this.clock.setTimeout(() => this.check(), LISTENING_WITHIN_MS);
  }

  end(): void {
    this.clock.clearTimeout(this.timer);
  }

  private check(): void {
    for (const server of this.connections.servers()) {
      if (server.hasStarted) continue;
      const name = server.connectionName;
      const untaken = untakenPatterns(this.modules, name).map((pattern) => server.routeOf(pattern as string));
      const patterns = [...new Set([...server.routes(), ...untaken])];
      if (patterns.length === 0) continue;
      const token = name === 'default' ? 'StreambackServer' : `getStreambackServerToken('${name}')`;
      this.connections
        .get(name)
        .logger.warn(
          `Nothing is listened to, so handlers of ${firstNames(patterns)} get no messages: ` +
            `call app.connectMicroservice({ strategy: app.get(${token}) }) and await app.startAllMicroservices()`,
        );
    }
  }
}
