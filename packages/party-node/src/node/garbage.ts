import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { giveMemoryBack } from '@secformer/ring';

/**
 * Gives back what this thread has no use for: array buffers are freed when the collector finds them, and an idle thread
 * has no reason to look; what is freed goes to the allocator, which keeps it. The second collection waits for the first
 * one's buffers, which are freed beside it.
 */
export function giveUpMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  giveMemoryBack();
}
