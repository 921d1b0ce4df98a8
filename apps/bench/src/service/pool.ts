/** What three nodes of this machine say of the runs that they have prepared before anybody asks. */
import type { LocalService } from '@secformer/party-node/node';
import { UsageError } from '../report.js';

/** Flags that have a node tell. */
export const WATCHED = ['--admin', '127.0.0.1:0'] as const;

/** How long the pool may take to be full. */
const FILL_MS = 300_000;
/** Between two looks at it: a node that has no room for another run tries again after five seconds. */
const LOOK_MS = 1_000;
/** So many looks in a row at which nothing is prepared: it is full. */
const QUIET = 3;

/** The addresses at which nodes started with `WATCHED` tell. */
function adminsOf(service: LocalService): string[] {
  return Object.keys(service.processes).map((role) => {
    const lines = service.log(role as keyof LocalService['processes']).map((line) => {
      const { event, admin } = JSON.parse(line.startsWith('{') ? line : '{}') as { event?: string; admin?: string };
      return event === 'listening' ? admin : undefined;
    });
    const admin = lines.filter((a) => a !== undefined).at(-1);
    if (admin === undefined) throw new Error(`${role} was started without --admin`);
    return admin;
  });
}

async function poolAt(admin: string): Promise<{ runs: number; preparing: number }> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const one = (name: string) => Number(new RegExp(`^secformer_pool_${name} (\\d+)$`, 'm').exec(text)?.[1]);
  return { runs: one('runs'), preparing: one('preparing') };
}

/**
 * Waits until all three nodes have prepared what they have room for.
 * @returns number of runs that a client finds prepared
 * @throws UsageError where there is room for none
 */
export async function filledPool(service: LocalService): Promise<number> {
  const admins = adminsOf(service);
  const until = performance.now() + FILL_MS;
  for (let quiet = 0; performance.now() < until; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    const pools = await Promise.all(admins.map(poolAt));
    const runs = Math.min(...pools.map((p) => p.runs));
    quiet = runs > 0 && pools.every((p) => p.preparing === 0 && p.runs === runs) ? quiet + 1 : 0;
    if (quiet === QUIET) return runs;
  }
  throw new UsageError(`no prepared run is there after ${FILL_MS / 1000} s; give more --pool`);
}
