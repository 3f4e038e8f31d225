import { Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { InjectStreamback } from 'nestjs-streamback';
import { filter, firstValueFrom, lastValueFrom, scan, take } from 'rxjs';
import { Audit } from './audit';

@Injectable()
export class TourService {
  constructor(
    @InjectStreamback() private readonly client: ClientProxy,
    private readonly audit: Audit,
  ) {}

  async tour(): Promise<void> {
    // From now on: what is counted is over before the tour is.
    const counted = firstValueFrom(
      this.audit.stats.pipe(
        scan((sum, { listeners }) => listeners.reduce((total, { handled }) => total + handled, sum), 0),
        filter((sum) => sum === 4),
      ),
    );

    console.log('1. A stream, slow enough to be told of');
    const shipped = this.over('orders.ship');
    await lastValueFrom(this.client.send<string>('orders.ship', { parcels: 3 }));
    await shipped;

    console.log('2. An event that succeeds at its second try');
    const paid = this.over('orders.paid');
    await lastValueFrom(this.client.emit('orders.paid', {}));
    await paid;

    console.log('3. An event that is put aside');
    const lost = this.over('orders.lost');
    await lastValueFrom(this.client.emit('orders.lost', {}));
    await lost;

    console.log('4. An unsubscribe');
    const stopped = this.over('orders.ship');
    await lastValueFrom(this.client.send<string>('orders.ship', { parcels: 1_000 }).pipe(take(1)));
    await stopped;

    console.log('5. ListenerStats has counted them');
    console.log('  ', await counted, 'messages handled');
  }

  private over(pattern: string): Promise<string> {
    return firstValueFrom(this.audit.over.pipe(filter((over) => over === pattern)));
  }
}
