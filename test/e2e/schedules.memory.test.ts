import { freshName } from '../support/fresh-name';
import { schedulesSuite } from './suites/schedules.suite';

schedulesSuite('schedules, on memory streams', () => `memory://${freshName('schedules')}`);
