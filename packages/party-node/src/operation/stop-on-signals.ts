import type { Log } from './log.js';

/** A node that can be stopped. */
export interface Stoppable {
  /** Begins nothing new and waits for what is under way. @returns whether all of it has ended in time */
  drain(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * The first SIGTERM or SIGINT drains a node and exits with 0; a second one exits at once, with 1.
 * @param from where signals come from, and `exit` is
 */
export function stopOnSignals(
  node: Stoppable,
  log: Log,
  from: { on(signal: string, listener: () => void): unknown; exit(code: number): void } = process,
): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) return from.exit(1);
    stopping = true;
    const ended = await node.drain();
    await node.stop();
    log('stopped', { ended });
    from.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) from.on(signal, () => void stop());
}
