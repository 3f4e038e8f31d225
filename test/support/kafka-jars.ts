import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const KAFKA_VERSION = '4.1.1';
/** Where what the tests fetch once is kept. */
export const CACHE = process.env.XDG_CACHE_HOME ? join(process.env.XDG_CACHE_HOME, 'nestjs-streamback') : resolve('.cache');
const FOLDER = join(CACHE, `kafka-${KAFKA_VERSION}`);
const DOWNLOAD_TIMEOUT_MS = 180_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** Why no Kafka can be started here, or an empty string. */
export function kafkaMissing(): string {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (java.status !== 0) return 'no java on the PATH';
  const major = Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0);
  if (major < 17) return `Java 17 is needed, and ${major || 'an unknown version'} is on the PATH`;
  if (!existsSync(FOLDER) && spawnSync('mvn', ['-v'], { stdio: 'ignore' }).status !== 0) return 'no mvn on the PATH to fetch Kafka with';
  return '';
}

/** The class path of Kafka, whose jars Maven fetches into the cache folder once. */
export async function kafkaClassPath(): Promise<string> {
  if (!existsSync(FOLDER)) await download();
  return join(FOLDER, '*');
}

async function download(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'download-'));
  try {
    await writeFile(join(folder, 'pom.xml'), POM);
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], folder);
    if (!(await readdir(join(folder, 'lib'))).includes(`kafka_2.13-${KAFKA_VERSION}.jar`)) throw new Error('Maven fetched no Kafka');
    // Renamed into place when complete: another run, or a cut download, never sees half a folder.
    await rename(join(folder, 'lib'), FOLDER).catch((error: unknown) => {
      if (!existsSync(FOLDER)) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Rejects with the end of what the command wrote where it fails. */
export function run(command: string, args: readonly string[], cwd: string, timeoutMs = DOWNLOAD_TIMEOUT_MS): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-2_000)));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code ?? 'a signal'}: ${output.trim()}`)),
    );
  });
}
