import { loadPackage } from '../../common/optional-package';

/** kafkajs, loaded when the first Kafka stream is made. @throws StreambackConfigError MISSING_PACKAGE */
export const kafkajs = (): typeof import('kafkajs') => loadPackage<typeof import('kafkajs')>('kafkajs', 'kafka:// streams');
