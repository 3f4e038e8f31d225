import type { CallerContext } from '../context/call-context';
import type { FrameOrderOptions } from './frame-order';
import type { FeedbackForm } from './request-options';

/** How the answers of a request reach it. */
export interface PendingRequestForm extends Omit<FrameOrderOptions, 'followsRestarts'> {
  /** @default 'inbox' */
  readonly feedback?: FeedbackForm | undefined;
  /** The form was asked for; else it is found out. @default false */
  readonly isChosen?: boolean | undefined;
  /** It is not read yet: what comes stays in its list, for this process or another. @default false */
  readonly waitsToBeRead?: boolean | undefined;
  /** Has its reader told in the context that it asked in. @default the one that its frames come in, as for a lane, which is awaited anyway */
  readonly within?: CallerContext | undefined;
  /** It stands for one group of a request that others answer as well. @default false */
  readonly isPart?: boolean | undefined;
}
