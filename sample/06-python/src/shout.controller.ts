import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

@Controller()
export class ShoutController {
  /** Called from Python as from Nest: nothing tells the two apart. */
  @MessagePattern('sample.nest.shout')
  *shout(@Payload('words') words: string[]) {
    for (const word of words) yield word.toUpperCase();
  }
}
