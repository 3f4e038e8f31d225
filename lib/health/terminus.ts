import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { StreambackHealth, type StreambackHealthResult } from './streamback.health';

/** `StreambackHealth` for `@nestjs/terminus`: list it in `providers` beside `TerminusModule`. */
@Injectable()
export class StreambackHealthIndicator {
  constructor(
    @Inject(StreambackHealth) private readonly health: StreambackHealth,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
  ) {}

  /** Whether work can be taken and answered now. @param key the name in the result. @default 'streamback' */
  async isReady<const Key extends string = 'streamback'>(key: Key = DEFAULT_KEY as Key): Promise<HealthIndicatorResult<Key>> {
    return this.result(key, await this.health.ready());
  }

  /** Whether the process is worth keeping. @param key the name in the result. @default 'streamback' */
  async isLive<const Key extends string = 'streamback'>(key: Key = DEFAULT_KEY as Key): Promise<HealthIndicatorResult<Key>> {
    return this.result(key, await this.health.live());
  }

  private result<Key extends string>(key: Key, { status, connections }: StreambackHealthResult): HealthIndicatorResult<Key> {
    const indicator = this.indicators.check(key);
    return status === 'up' ? indicator.up({ connections }) : indicator.down({ connections });
  }
}

const DEFAULT_KEY = 'streamback';
