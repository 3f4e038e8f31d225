import { Module } from '@nestjs/common';
import { StreambackModule } from 'nestjs-streamback';
import { ThumbnailsController } from './thumbnails.controller';
import { ThumbnailsService } from './thumbnails.service';

@Module({
  imports: [
    StreambackModule.forRoot({
      group: 'thumbnails',
      streams: process.env.STREAMBACK_STREAMS ?? 'memory://',
      // A worker beyond the partitions would have nothing to do.
      kafka: { partitions: 4 },
    }),
  ],
  controllers: [ThumbnailsController],
  providers: [ThumbnailsService],
})
export class AppModule {}
