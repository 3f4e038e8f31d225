import { Controller, Module } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { listener, StreambackContext, StreambackModule } from 'nestjs-streamback';

@Controller()
export class CountdownController {
  @MessagePattern('countdown.start', listener({ concurrency: 4 }))
  async *start(@Payload() request: { from: number }, @Ctx() context: StreambackContext) {
    for (let left = request.from; left > 0; left -= 1) yield { left, topic: context.getTopic() };
  }
}

@Module({
  imports: [StreambackModule.forRoot({ group: 'countdown', streams: 'memory://' })],
  controllers: [CountdownController],
})
export class AppModule {}
