import { pbkdf2Sync } from 'node:crypto';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { listener } from 'nestjs-streamback';

@Controller()
export class ThumbnailsController {
  /** Work for the processor, which blocks the event loop: here another process helps, and `concurrency` does not. */
  @MessagePattern(
    'thumbnails.make',
    listener({
      concurrency: 1,
      processes: [
        [20, 1], // up to 20 waiting: one worker
        [200, 2], // up to 200: two
        [1_000, 4], // beyond: four
      ],
    }),
  )
  make(@Payload() picture: number): { picture: number; pid: number } {
    pbkdf2Sync(String(picture), 'salt', 10_000, 64, 'sha512');
    return { picture, pid: process.pid };
  }
}
