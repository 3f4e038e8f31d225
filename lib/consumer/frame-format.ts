import { FrameEncoder, pythonFrames, type ErrorDetails, type RunIdentity } from '../protocol/frame';

/** The frames of one run, in the form that its reader knows. Values are JSON already. */
export interface FrameFormat {
  response(valueJson: string): Buffer;
  /** @param lastJson an answer that was not sent yet */
  end(lastJson: string | undefined): readonly Buffer[];
  endWithError(error: string, details: ErrorDetails): Buffer;
  /** That the handler runs; nothing where the reader knows no such frame. */
  accepted(): readonly Buffer[];
}

/** Our own: numbered, and the last answer carries the end. */
export function runFrames(run: RunIdentity): FrameFormat {
  const encoder = new FrameEncoder(run);
  return {
    response: (valueJson) => encoder.response(valueJson),
    end: (lastJson) => [encoder.end(lastJson)],
    endWithError: (error, details) => encoder.endWithError(error, JSON.stringify(details)),
    accepted: () => [encoder.accepted()],
  };
}

/** Python's: only its fields and events; the end is a frame of its own. */
export function listFrames(sourceGroup: string): FrameFormat {
  return {
    response: (valueJson) => pythonFrames.response(valueJson, sourceGroup),
    end: (lastJson) => [...(lastJson === undefined ? [] : [pythonFrames.response(lastJson, sourceGroup)]), pythonFrames.end(sourceGroup)],
    endWithError: (error) => pythonFrames.endWithError(error, sourceGroup),
    accepted: () => [],
  };
}
