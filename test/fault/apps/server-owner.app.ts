import { startRedis } from '../../support/redis';

// Owns a server and is killed: the guard must end the server and remove its folder.
async function main(): Promise<void> {
  const server = await startRedis();
  process.send?.({ type: 'started', server: server.pid });
}

void main();
