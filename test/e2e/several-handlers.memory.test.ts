import { freshName } from '../support/fresh-name';
import { severalHandlersSuite } from './suites/several-handlers.suite';

const name = `memory://${freshName('several')}`;

severalHandlersSuite('several handlers on memory', () => name);
