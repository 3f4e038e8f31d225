import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects all garbage at once, or that of the young generation alone. */
export const collectGarbage = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;
