/** What a suite can ask for: the run's own servers, leave to start servers of its own, to kill and cut them, or Python streamback. */
export type Need = 'kafka' | 'redis' | 'own-kafka' | 'own-redis' | 'python';

declare module 'vitest' {
  interface ProvidedContext {
    /** Empty where there is none. */
    kafkaUrl: string;
    redisUrl: string;
    /** The interpreter that has Python streamback. */
    pythonPath: string;
    /** For each need the reason why it cannot be met, or an empty string. */
    missingServers: Readonly<Record<Need, string>>;
  }
}
