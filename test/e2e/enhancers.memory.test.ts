import { freshName } from '../support/fresh-name';
import { enhancersSuite } from './suites/enhancers.suite';

const name = `memory://${freshName('enhancers')}`;

enhancersSuite('enhancers on memory', () => name);
