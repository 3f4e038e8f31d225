import { BadRequestException } from '@nestjs/common';
import { expect, it } from 'vitest';
import { reasonsOf } from '../../../lib/consumer/error-reasons';

it("gives the reasons of Nest's HttpException, bounded", () => {
  expect(reasonsOf(new BadRequestException(['n must be a number', 'name should not be empty']))).toBe(
    ' (n must be a number; name should not be empty)',
  );
  expect(reasonsOf(new BadRequestException(['x'.repeat(1_000)]))).toHaveLength(504);
});

it.each([
  undefined,
  null,
  'text',
  new Error('boom'),
  new BadRequestException('only this'),
  { getResponse: 1 },
  { getResponse: () => null },
  {
    getResponse: () => {
      throw new Error('boom');
    },
  },
])('gives nothing where there is nothing more to say: %o', (error) => expect(reasonsOf(error)).toBe(''));
