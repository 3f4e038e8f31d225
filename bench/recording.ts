import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

/** What this process does and allocates between `start` and `stop`, its start and its warm-up apart. Chrome's DevTools open both files. */
export class Recording {
  private readonly session = new Session();

  static async start(cpu: boolean, heap: boolean): Promise<Recording> {
    const recording = new Recording();
    const { session } = recording;
    session.connect();
    if (cpu) {
      await session.post('Profiler.enable');
      await session.post('Profiler.start');
    }
    // What was collected is what costs; by default only what is alive at the end is told.
    const collected = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true };
    if (heap) await session.post('HeapProfiler.startSampling', collected as object);
    return recording;
  }

  async stop(cpuFile?: string, heapFile?: string): Promise<void> {
    const { session } = this;
    if (cpuFile) writeFileSync(cpuFile, JSON.stringify((await session.post('Profiler.stop')).profile));
    if (heapFile) writeFileSync(heapFile, JSON.stringify((await session.post('HeapProfiler.stopSampling')).profile));
    session.disconnect();
  }
}
