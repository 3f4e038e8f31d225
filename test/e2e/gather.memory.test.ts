import { freshName } from '../support/fresh-name';
import { gatherSuite } from './suites/gather.suite';

const name = `memory://${freshName('gather')}`;

gatherSuite('gather on memory', () => name);
