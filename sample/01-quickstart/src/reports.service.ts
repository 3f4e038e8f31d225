import { Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { InjectStreamback } from 'nestjs-streamback';
import { catchError, firstValueFrom, lastValueFrom, of, take, tap } from 'rxjs';

@Injectable()
export class ReportsService {
  constructor(@InjectStreamback() private readonly client: ClientProxy) {}

  async tour(): Promise<void> {
    console.log('1. An event: it completes once the broker has it');
    await lastValueFrom(this.client.emit('reports.requested', { title: 'Sales' }));

    console.log('2. A call: one answer');
    console.log('  ', await firstValueFrom(this.client.send<number>('reports.count', {})));

    console.log('3. A stream: the answers arrive one by one');
    const show = tap((page: string) => console.log('  ', page));
    await lastValueFrom(this.client.send<string>('reports.build', { pages: 5 }).pipe(show));

    console.log('4. An error: as from any other Nest transport');
    await lastValueFrom(this.client.send('reports.print', {}).pipe(catchError((error) => of(console.log('  ', error)))));

    console.log('5. An unsubscribe: two of a million pages, then no more');
    await lastValueFrom(this.client.send<string>('reports.build', { pages: 1_000_000 }).pipe(take(2), show));
  }
}
