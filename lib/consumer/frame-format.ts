import { FrameEncoder, pythonFrames, type ErrorDetails, type RunIdentity } from '../protocol/frame';

/** The frames of one run, in the form that its reader knows: each a line of JSON. Answers are JSON already. */
export interface FrameFormat {
  /** Answers, at least one. */
  response(valuesJson: readonly string[]): readonly string[];
  /** @param lastJson answers that were not sent yet */
  end(lastJson: readonly string[]): readonly string[];
  endWithError(error: string, details: ErrorDetails): string;
  /** That the handler runs; nothing where the reader knows no such frame. */
  accepted(): readonly string[];
}

/** Our own: numbered, answers that come together share a frame, and the last carry the end. */
export class RunFrames implements FrameFormat {
  private readonly encoder: FrameEncoder;

  constructor(run: RunIdentity) {
    this.encoder = new FrameEncoder(run);
  }

  response(valuesJson: readonly string[]): readonly string[] {
    return [this.encoder.response(valuesJson)];
  }

  end(lastJson: readonly string[]): readonly string[] {
    return [this.encoder.end(lastJson)];
  }

  endWithError(error: string, details: ErrorDetails): string {
    return this.encoder.endWithError(error, JSON.stringify(details));
  }

  accepted(): readonly string[] {
    return [this.encoder.accepted()];
  }
}

/** Python's: only its fields and events; each answer, and the end, is a frame of its own. */
export class ListFrames implements FrameFormat {
  constructor(private readonly sourceGroup: string) {}

  response(valuesJson: readonly string[]): readonly string[] {
    return valuesJson.map((json) => pythonFrames.response(json, this.sourceGroup));
  }

  end(lastJson: readonly string[]): readonly string[] {
    return [...this.response(lastJson), pythonFrames.end(this.sourceGroup)];
  }

  endWithError(error: string): string {
    return pythonFrames.endWithError(error, this.sourceGroup);
  }

  accepted(): readonly string[] {
    return [];
  }
}
