import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';

const ROOT = join(__dirname, '../../..');
/** What the bench is compiled to: a project of its own, so that the name of the library is that of a package in it. */
const BUILT = join(__dirname, '..');
const NAME = 'nestjs-streamback';

/**
 * Packs the library as it would be published, and puts the package where the peers find it: what is measured is what users install, beside
 * the versions of Nest, kafkajs and ioredis that this repository locks.
 * @returns the package's file name, and what tells its contents apart
 */
export function installPacked(): string {
  const folder = join(BUILT, 'node_modules', NAME);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(BUILT, 'package.json'), JSON.stringify({ name: 'bench', private: true }));
  const packing = join(BUILT, 'packing');
  rmSync(packing, { recursive: true, force: true });
  mkdirSync(packing);
  execFileSync('npm', ['pack', '--pack-destination', packing, '--loglevel=error', '--ignore-scripts=false'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [file] = readdirSync(packing);
  execFileSync('tar', ['-xzf', join(packing, file!), '-C', folder, '--strip-components=1']);
  // As another process does: this one remembers that the folder was no project.
  const found = execFileSync(process.execPath, ['-p', `require.resolve('${NAME}')`], { cwd: join(__dirname, 'peers'), encoding: 'utf8' });
  if (!found.startsWith(folder + sep)) throw new Error(`the peers find ${found}, and not the package in ${folder}`);
  return `${file} ${createHash('sha256')
    .update(readFileSync(join(packing, file!)))
    .digest('hex')
    .slice(0, 12)}`;
}
