/** Command lines of `party-node` that end by themselves, in a process of their own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));
const child = fileURLToPath(new URL('./commands-child.js', import.meta.url));

export interface Said {
  status: unknown;
  said: string;
}

/**
 * What each of the command lines says, and its exit status. The first has a process to itself, as a user's has; the
 * others share one, for starting it takes longer than all that they do.
 */
export function refusals(lists: readonly (readonly string[])[]): Said[] {
  const options = { encoding: 'utf8', timeout: 60_000 } as const;
  const one = spawnSync(process.execPath, [bin, ...lists[0]!], options);
  const rest = spawnSync(process.execPath, [child, JSON.stringify(lists.slice(1))], options);
  if (rest.status !== 0) throw new Error(`the commands ended with ${rest.status ?? rest.signal}: ${rest.stderr}`);
  const others = JSON.parse(rest.stdout.trim().split('\n').at(-1)!) as Said[];
  return [{ status: one.status, said: one.stdout + one.stderr }, ...others];
}
