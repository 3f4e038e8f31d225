/** What a suite can ask for: the run's own servers, or leave to start servers of its own, to kill and cut them. */
export type Need = 'kafka' | 'redis' | 'own-kafka' | 'own-redis';

declare module 'vitest' {
  interface ProvidedContext {
    /** Empty where there is none. */
    kafkaUrl: string;
    redisUrl: string;
    /** For each need the reason why it cannot be met, or an empty string. */
    missingServers: Readonly<Record<Need, string>>;
  }
}
