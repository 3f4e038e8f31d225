import { StreambackMessageError } from '../common/errors';
import { isRecord, type JsonForm, parseJson, toJson } from './json';
import { isId, isInbox } from './keys';

/** The first three are Python's; `accepted` says that a handler runs and has not answered yet. */
export type FrameEvent = 'response' | 'response_end' | 'response_end_with_error' | 'accepted';

const FRAME_EVENTS: ReadonlySet<unknown> = new Set<FrameEvent>(['response', 'response_end', 'response_end_with_error', 'accepted']);

const NO_VALUES: readonly unknown[] = [];

/** Which execution of which request a frame belongs to. */
export interface RunIdentity {
  /** The request's id. */
  readonly id: string;
  /** The answering group. */
  readonly sourceGroup: string;
  /** Rank of the delivery (F4). */
  readonly run: number;
  /** Rank of the try within the delivery, from 1 (F4). */
  readonly attempt: number;
  /** The consumer's inbox: who to send control to. */
  readonly instance: string;
}

/** What a remote failure carries: a value that the handler's exception filters made, or a code of ours. */
export type ErrorDetails = { readonly value: unknown } | { readonly code: string };

/** Some answers, an error or the end on a lane, decoded. Python's frames have neither `id` nor anything of a run. */
export interface Frame {
  /** `unreadable`: the frame names its request, and nothing else in it can be trusted. */
  readonly event: FrameEvent | 'unreadable';
  /** Its answers, in order: none, one, or what gathered; an end may carry the last ones. */
  readonly values: readonly unknown[];
  /** Always text, as Python has it; for people. */
  readonly error?: string;
  readonly details?: ErrorDetails;
  readonly sourceGroup: string | null;
  readonly id?: string;
  /** The number of its first answer, or its own where it has none: from 0, without holes, within a run. See {@link numbersOf}. */
  readonly seq?: number;
  readonly run?: number;
  readonly attempt?: number;
  readonly instance?: string;
  /** Its size on the wire, about: characters of JSON. */
  readonly bytes: number;
}

/** How many numbers a frame takes: one for each answer, and one where it has none. */
export const numbersOf = ({ values }: Pick<Frame, 'values'>): number => values.length || 1;

/** What stands before a request's id in each of its frames, and after it. */
interface AroundId extends Omit<RunIdentity, 'id'> {
  readonly before: string;
  readonly after: string;
}

let around: AroundId | undefined;

/** The same for all runs of a process, as a rule: so it is made once. */
function aroundIdOf({ sourceGroup, run, attempt, instance }: RunIdentity): AroundId {
  const isTheSame = around?.run === run && around.attempt === attempt && around.instance === instance && around.sourceGroup === sourceGroup;
  if (!around || !isTheSame) {
    const before = `,"source_group":${JSON.stringify(sourceGroup)},"id":"`;
    const after = `","run":${run},"attempt":${attempt},"instance":"${instance}","seq":`;
    around = { sourceGroup, run, attempt, instance, before, after };
  }
  return around;
}

/** Makes the frames of one run; numbers them. */
export class FrameEncoder {
  private readonly id: string;
  private readonly around: AroundId;
  private seq = 0;

  constructor(run: RunIdentity) {
    this.id = run.id;
    this.around = aroundIdOf(run);
  }

  /** Answers, at least one. @param valuesJson each as JSON */
  response(valuesJson: readonly string[]): string {
    return this.frame(`{"event":"response"${valuesOf(valuesJson)}`, valuesJson.length);
  }

  /** The end; the last answers ride on it. */
  end(valuesJson: readonly string[] = []): string {
    return this.frame(`{"event":"response_end"${valuesOf(valuesJson)},"error":null`, valuesJson.length);
  }

  endWithError(error: string, detailsJson: string): string {
    return this.frame(`{"event":"response_end_with_error","error":${JSON.stringify(error)},"details":${detailsJson}`);
  }

  accepted(): string {
    return this.frame('{"event":"accepted"');
  }

  private frame(head: string, answers = 0): string {
    const { seq, around } = this;
    this.seq += answers || 1;
    return `${head}${around.before}${this.id}${around.after}${seq}}`;
  }
}

function valuesOf(json: readonly string[]): string {
  if (json.length > 1) return `,"values":[${json.join(',')}]`;
  return json.length === 1 ? `,"value":${json[0]}` : '';
}

/** Makes frames of the fields and events that Python knows, and no others. */
export const pythonFrames = {
  response: (valueJson: string, sourceGroup: string): string =>
    `{"value":${valueJson},"event":"response","source_group":${JSON.stringify(sourceGroup)}}`,
  end: (sourceGroup: string): string => `{"event":"response_end","error":null,"source_group":${JSON.stringify(sourceGroup)}}`,
  endWithError: (error: string, sourceGroup: string): string =>
    `{"event":"response_end_with_error","error":${JSON.stringify(error)},"source_group":${JSON.stringify(sourceGroup)}}`,
};

/**
 * Decodes a frame.
 * @throws StreambackMessageError MALFORMED_MESSAGE
 */
export function decodeFrame(json: string | Buffer, form?: JsonForm): Frame {
  const frame = parseJson(json, form);
  if (!isRecord(frame) || (!FRAME_EVENTS.has(frame.event) && !isId(frame.id)))
    throw new StreambackMessageError('MALFORMED_MESSAGE', 'not a frame');
  const { value, values, error, details, source_group: sourceGroup, id, seq, run, attempt, instance } = frame;
  return {
    event: FRAME_EVENTS.has(frame.event) ? (frame.event as FrameEvent) : 'unreadable',
    values: value !== undefined ? [value] : Array.isArray(values) ? (values as unknown[]) : NO_VALUES,
    error: typeof error === 'string' ? error : error === null || error === undefined ? undefined : toJson(error, 'an error', form),
    details: isRecord(details) ? (details as ErrorDetails) : undefined,
    sourceGroup: typeof sourceGroup === 'string' ? sourceGroup : null,
    id: isId(id) ? id : undefined,
    seq: rank(seq),
    run: rank(run),
    attempt: rank(attempt),
    instance: isInbox(instance) ? instance : undefined,
    bytes: json.length,
  };
}

function rank(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}
