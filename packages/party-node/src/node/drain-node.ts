import { limits } from '../limits.js';
import type { Gate } from './gate.js';
import type { Log } from './log.js';

export interface DrainedNode {
  gate: Pick<Gate, 'drain' | 'flush'>;
  /** tells the engine to begin no run, or to end those that are left */
  ask: (what: 'drain' | 'stop') => void;
  /** resolves when the engine has no run any more */
  drained: Promise<void>;
  log: Log;
}

/**
 * Ends what a node does: nobody is let in any more, runs under way may end within `limits.drainMs`, and what they have
 * sent arrives. Those that are left then are aborted, so that each of them is accounted for.
 * @returns whether all of them had ended by themselves
 */
export async function drainNode({ gate, ask, drained, log }: DrainedNode): Promise<boolean> {
  log('draining');
  gate.drain();
  ask('drain');
  const ended = await comes(drained, limits.drainMs);
  if (!ended) {
    ask('stop');
    await comes(drained, limits.flushMs);
  }
  await gate.flush(limits.flushMs);
  return ended;
}

async function comes(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const came = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return came;
}
