import { it } from 'vitest';
import { CANARY_PASSWORD } from '../../support/canary';

// Run by canary.test.ts alone, to see it fail.
it('shows nothing', () => {});
it('shows the password', () => console.log(`connecting to redis://:${encodeURIComponent(CANARY_PASSWORD)}@127.0.0.1`));
