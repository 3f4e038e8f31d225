import { loadPackage } from '../common/optional-package';

/** A class that answers are made instances of. */
export type AnswerType<Answer> = new (...args: never[]) => Answer;

interface ClassTransformer {
  plainToInstance(type: AnswerType<unknown>, value: unknown): unknown;
}

/**
 * Makes answers instances of a class, as `class-transformer` does: an object, and each element of an array; anything else stays as it is.
 * @throws StreambackConfigError MISSING_PACKAGE
 */
export function answersAs<Answer>(type: AnswerType<Answer>, load: typeof loadPackage = loadPackage): (answer: unknown) => Answer {
  const { plainToInstance } = load<ClassTransformer>('class-transformer', 'Answers that are to be instances of a class');
  return (answer) => (typeof answer === 'object' && answer !== null ? plainToInstance(type, answer) : answer) as Answer;
}
