import { freshName } from '../support/fresh-name';
import { answersSuite } from './suites/answers.suite';

const name = `memory://${freshName('answers')}`;

answersSuite('answers on memory', () => name);
