import { invalidOption } from '../common/option-rules';
import { StreambackLaneError } from '../common/errors';
import type { StreambackListenerOptions } from '../consumer/listener';
import type { Run } from '../consumer/run';
import { isRecord } from '../protocol/json';
import { addListenerOptions } from './listener';
import type { RemoteMethod } from './remote.explorer';
import type { StreambackContext } from './streamback.context';

/** What a call is sent as. */
export interface RemoteCall {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** The pattern that calls of a name are sent to. */
export const remotePattern = (name: string): string => `streamback.remote.${name}`;

/** All remote methods of one name. */
export class RemoteHandlers {
  /** What the methods say of their options, together. */
  options: StreambackListenerOptions = {};
  private readonly methods = new Map<string, RemoteMethod>();

  readonly pattern: string;

  /** @param topic the full topic name */
  constructor(
    readonly name: string,
    readonly topic: string,
  ) {
    this.pattern = remotePattern(name);
  }

  /** @throws StreambackConfigError INVALID_OPTION for a method that is there already, and for options that contradict another's */
  add(method: RemoteMethod): void {
    if (this.methods.has(method.method)) {
      throw invalidOption(
        `remote(${this.name}).name`,
        `Two methods '${method.method}' are remote as '${this.name}'`,
        'Give one another name.',
      );
    }
    const { name: _name, connection: _connection, ...options } = method.options;
    this.options = addListenerOptions(this.pattern, this.options, options);
    this.methods.set(method.method, method);
  }

  /** Calls the method that a message names. One that is not there is a lane's own error, as where nothing listens. */
  async handle(run: Run, context: StreambackContext): Promise<unknown> {
    const { value } = run.envelope;
    const { method: name, args } = isRecord(value) ? value : {};
    const method = typeof name === 'string' && Array.isArray(args) ? this.methods.get(name) : undefined;
    if (method) return method.call(args as unknown[], context);
    const called = typeof name === 'string' ? name.slice(0, 100) : '';
    const text = `There is no remote method '${called}' of '${this.name}' in the process that got the call`;
    if (!run.responder) throw new StreambackLaneError('NO_LISTENER', text);
    await run.responder.endWithError(text, { code: 'NO_LISTENER' });
    return undefined;
  }
}
