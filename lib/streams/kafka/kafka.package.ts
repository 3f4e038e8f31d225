import { loadPackage } from '../../common/optional-package';

/** kafkajs, loaded when the first Kafka stream is made. @throws StreambackConfigError MISSING_PACKAGE */
export const kafkajs = (): typeof import('kafkajs') => loadPackage<typeof import('kafkajs')>('kafkajs', 'kafka:// streams');

/** Its version, for what rests on its inside; `''` where it does not say. */
export function kafkajsVersion(): string {
  try {
    return loadPackage<{ version: string }>('kafkajs/package.json', 'kafka:// streams').version;
  } catch {
    return '';
  }
}
