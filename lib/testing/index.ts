export { testFeedbackStream } from './feedback-stream.contract';
export { testMainStream } from './main-stream.contract';
