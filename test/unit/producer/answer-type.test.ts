import { expect, it } from 'vitest';
import { StreambackConfigError } from '../../../lib/common/errors';
import { loadPackage } from '../../../lib/common/optional-package';
import { answersAs } from '../../../lib/producer/answer-type';

class Point {
  x!: number;

  doubled(): number {
    return this.x * 2;
  }
}

it('makes objects, and the elements of arrays, instances of the class', () => {
  const asPoint = answersAs(Point);
  expect(asPoint({ x: 2 })).toBeInstanceOf(Point);
  expect(asPoint({ x: 2 }).doubled()).toBe(4);
  const points = asPoint([{ x: 1 }, { x: 3 }]) as unknown as Point[];
  expect(points.map((point) => point.doubled())).toEqual([2, 6]);
});

it.each([null, undefined, 0, '', 'text', false])('leaves %j as it is', (answer) => {
  expect(answersAs(Point)(answer)).toBe(answer);
});

it('says what to install where class-transformer is missing', () => {
  const load = (<Package>(_name: string, neededFor: string): Package =>
    loadPackage('class-transformer-that-is-missing', neededFor)) as typeof loadPackage;
  expect(() => answersAs(Point, load)).toThrowError(StreambackConfigError);
  expect(() => answersAs(Point, load)).toThrowError(
    expect.objectContaining({
      code: 'MISSING_PACKAGE',
      message: expect.stringContaining('Answers that are to be instances of a class need the package'),
      remedy: expect.stringContaining('npm install class-transformer'),
    }),
  );
});
