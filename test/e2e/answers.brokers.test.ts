import { describeWithBrokers } from '../support/servers';
import { answersSuite } from './suites/answers.suite';
import { enhancersSuite } from './suites/enhancers.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => {
  answersSuite('answers', () => streams);
  enhancersSuite('enhancers', () => streams);
});
