import { Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { InjectStreamback } from 'nestjs-streamback';
import { lastValueFrom, mergeMap, range, tap } from 'rxjs';

const PICTURES = 300;
/** Memory streams are one process, however long it takes. */
const MOST_ROUNDS = process.env.STREAMBACK_STREAMS ? 20 : 1;

interface Thumbnail {
  readonly picture: number;
  readonly pid: number;
}

@Injectable()
export class ThumbnailsService {
  constructor(@InjectStreamback() private readonly client: ClientProxy) {}

  /** Has thumbnails made until more than one process has made some. */
  async tour(): Promise<void> {
    const makers = new Set<number>();
    let made = 0;
    for (let round = 0; round < MOST_ROUNDS && makers.size < 2; round++) {
      console.log(`${PICTURES} pictures at once`);
      const make = mergeMap((picture: number) => this.client.send<Thumbnail>('thumbnails.make', picture));
      await lastValueFrom(
        range(made, PICTURES).pipe(
          make,
          tap(({ pid }) => {
            made += 1;
            if (!makers.has(pid)) console.log(`   process ${pid} ${pid === process.pid ? '(this one) ' : ''}makes thumbnails`);
            makers.add(pid);
          }),
        ),
      );
    }
    console.log(`${made} thumbnails made by ${makers.size} process${makers.size === 1 ? '' : 'es'}`);
  }
}
