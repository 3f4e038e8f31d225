import { loadPackage } from '../../common/optional-package';

/** kafkajs, loaded when the first Kafka stream is made. @throws StreambackConfigError MISSING_PACKAGE */
export const kafkajs = (): typeof import('kafkajs') => loadPackage<typeof import('kafkajs')>('kafkajs', 'kafka:// streams');

/** Those whose inside is known. */
const KNOWN = /^2\.2\./;
let known: boolean | undefined;

/** Whether what rests on the inside of kafkajs may be used: else that is left to kafkajs itself. */
export function isKnownKafkajs(): boolean {
  try {
    known ??= KNOWN.test(loadPackage<{ version: string }>('kafkajs/package.json', 'kafka:// streams').version);
  } catch {
    known = false;
  }
  return known;
}
