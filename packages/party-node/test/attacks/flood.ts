/** Connections that prove nothing and come back the moment they are closed. */
import type { Socket } from 'node:net';
import { rawSocket, sleep, type Target } from './kit.js';
import { upgradeRequest } from './web.js';

export interface Flood {
  /** connections made in all, and those of them that a WebSocket was opened on */
  made: number;
  opened: number;
  /** ended without an answer to the upgrade, which an honest client takes for a node that is not there */
  cut: number;
}

/** Keeps so many connections at each node for `ms`; every third says nothing, the others open a WebSocket. */
export async function flood(
  { targets, count, ms }: { targets: Target[]; count: number; ms: number },
  note: (note: unknown) => void,
): Promise<Flood> {
  let end = Number.POSITIVE_INFINITY;
  /** those that were closed before the time began, when all have been made: an attacker has machines enough for that */
  let closed: (() => void)[] | undefined = [];
  const tally: Flood = { made: 0, opened: 0, cut: 0 };
  const open = new Set<Socket>();
  const come = (target: Target, quiet: boolean) => {
    if (performance.now() > end) return;
    const socket = rawSocket(target);
    tally.made++;
    open.add(socket);
    let answered = quiet;
    if (!quiet) socket.write(upgradeRequest(target));
    socket.once('data', () => {
      answered = true;
      tally.opened++;
    });
    socket.on('close', () => {
      open.delete(socket);
      if (!answered) tally.cut++;
      if (closed) closed.push(() => come(target, quiet));
      // The moment it is closed, and not a stack deeper each time
      else setImmediate(come, target, quiet);
    });
  };
  for (const target of targets) {
    for (let i = 0; i < count; i++) {
      come(target, i % 3 === 0);
      if (i % 50 === 49) await sleep(1);
    }
  }
  end = performance.now() + ms;
  note('there');
  const back = closed;
  closed = undefined;
  for (const comeBack of back) comeBack();
  await sleep(ms);
  for (const socket of open) socket.destroy();
  return tally;
}
