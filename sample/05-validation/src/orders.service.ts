import { Injectable } from '@nestjs/common';
import { InjectStreamback, StreambackClient, StreambackRecordBuilder } from 'nestjs-streamback';
import { catchError, lastValueFrom, of } from 'rxjs';
import { Receipt } from './receipt.dto';

@Injectable()
export class OrdersService {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  async tour(): Promise<void> {
    const lines = [
      { item: 'tea', count: 2, cents: 450 },
      { item: 'cup', count: 1, cents: 900 },
    ];
    console.log('1. A DTO in, an instance of a class out');
    const record = new StreambackRecordBuilder({ customer: 'Ada', lines }).setResponseType(Receipt).build();
    const receipt = await lastValueFrom(this.client.send('orders.price', record));
    console.log('  ', receipt.text());

    console.log('2. What is not valid is refused, and no handler sees it');
    const wrong = this.client.send('orders.price', { customer: 'Al', lines: [{ item: 'tea', count: 0, cents: 450 }] });
    const refusal = await lastValueFrom(wrong.pipe(catchError(({ message }: { message: string }) => of(message))));
    console.log('  ', refusal);

    console.log('3. Several arguments in one signature');
    console.log('  ', await lastValueFrom(this.client.send<number>('orders.discount', { cents: receipt.cents, percent: 10 })));

    console.log('4. Answers that are pulled, each as a class');
    const lane = this.client.open('orders.price', { customer: 'Grace', lines });
    console.log('  ', (await lane.read({ as: Receipt }))?.text());
    lane.close();
  }
}
