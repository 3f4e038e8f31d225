import { Module } from '@nestjs/common';
import { StreambackModule } from 'nestjs-streamback';
import { PythonProcesses } from './python.processes';
import { ShoutController } from './shout.controller';
import { TourService } from './tour.service';

@Module({
  imports: [StreambackModule.forRoot({ group: 'nest-shouting', streams: process.env.STREAMBACK_STREAMS ?? 'memory://' })],
  controllers: [ShoutController],
  providers: [PythonProcesses, TourService],
})
export class AppModule {}
