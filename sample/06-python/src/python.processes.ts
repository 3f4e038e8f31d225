import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** The Python programs beside this sample; `PYTHON` names an interpreter that has `streamback==0.5.1`. */
@Injectable()
export class PythonProcesses implements OnModuleDestroy {
  private readonly running = new Set<ChildProcess>();

  /** Resolves when it has ended. */
  run(program: string, streams: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = this.start(program, streams);
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
    });
  }

  start(program: string, streams: string): ChildProcess {
    const child = spawn(process.env.PYTHON ?? 'python3', ['-u', join(__dirname, '..', program), streams], {
      stdio: ['ignore', 'inherit', 'inherit'],
      // Its workers are in its group, and go with it.
      detached: true,
    });
    this.running.add(child);
    child.once('exit', () => this.running.delete(child));
    return child;
  }

  onModuleDestroy(): void {
    for (const { pid } of this.running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  }
}
