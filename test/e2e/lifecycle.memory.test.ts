import { freshName } from '../support/fresh-name';
import { lifecycleSuite } from './suites/lifecycle.suite';

lifecycleSuite('lifecycle hooks, on memory streams', () => `memory://${freshName('hooks')}`, { hasMembers: false });
