import { freshName } from '../support/fresh-name';
import { listsSuite } from './suites/lists.suite';

const name = freshName('lists');
listsSuite('feedback lists in memory', () => `memory://${name}`);
