import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** The Python programs beside this sample; `PYTHON` names an interpreter that has `streamback==0.5.1`. */
@Injectable()
export class PythonProcesses implements OnModuleDestroy {
  private readonly running = new Set<ChildProcess>();

  /** Resolves when it has ended; a service does not by itself. @throws where it failed */
  run(program: string, streams: string): Promise<void> {
    const python = process.env.PYTHON ?? 'python3';
    return new Promise((resolve, reject) => {
      const fail = (how: string): void =>
        reject(new Error(`${program} ${how}: does '${python}' have streamback==0.5.1? PYTHON names another interpreter.`));
      const child = spawn(python, ['-u', join(__dirname, '..', program), streams], {
        stdio: ['ignore', 'inherit', 'inherit'],
        // Its workers are in its group, and go with it.
        detached: true,
      });
      this.running.add(child);
      child.once('error', (error) => fail(`did not start (${error.message})`));
      child.once('exit', (code) => {
        this.running.delete(child);
        if (code === 0) resolve();
        else fail(`ended with ${code}`);
      });
    });
  }

  onModuleDestroy(): void {
    for (const { pid } of this.running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  }
}
