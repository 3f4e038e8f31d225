import { freshName } from '../support/fresh-name';
import { mappingSuite } from './suites/mapping.suite';

const name = `memory://${freshName('mapping')}`;

mappingSuite('mapping on memory', () => name);
