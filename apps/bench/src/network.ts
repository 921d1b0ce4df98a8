import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A network as the literature on private inference has it. */
export interface Network {
  roundTripMs: number;
  bytesPerSecond: number;
}

export const networks: Record<string, Network> = {
  /** what the emulation itself costs, to be subtracted from the others */
  proxy: { roundTripMs: 0, bytesPerSecond: 1e12 },
  lan: { roundTripMs: 0.5, bytesPerSecond: 1e9 },
  wan: { roundTripMs: 4, bytesPerSecond: 400e6 },
  internet: { roundTripMs: 40, bytesPerSecond: 25e6 },
};

/** Below this the timers of Node, which count whole milliseconds, are too coarse. */
const TIMER_MS = 2;
const cell = new Int32Array(new SharedArrayBuffer(4));

/** Calls `f` after so many milliseconds, or before: the last two are slept through in steps, between which sockets are served, and the last third of one is polled. */
function after(ms: number, f: () => void): void {
  if (ms > TIMER_MS) {
    setTimeout(f, ms - TIMER_MS);
    return;
  }
  if (ms > 0.3) Atomics.wait(cell, 0, 0, Math.min(ms - 0.3, 0.2));
  setImmediate(f);
}

/** Passes bytes on at the network's rate, half a round trip late. */
function carry(from: Socket, to: Socket, { roundTripMs, bytesPerSecond }: Network): void {
  const line: { chunk: Buffer; due: number }[] = [];
  let free = 0;
  let waiting = 0;
  // One timer at a time, for what is first: timers of their own could overtake each other
  const deliver = () => {
    const now = performance.now();
    while (line.length > 0 && line[0]!.due <= now) {
      const { chunk } = line.shift()!;
      waiting -= chunk.length;
      if (!to.destroyed) to.write(chunk);
    }
    if (waiting < 2 ** 20) from.resume();
    if (line.length > 0) after(line[0]!.due - now, deliver);
  };
  from.on('data', (chunk: Buffer) => {
    const now = performance.now();
    free = Math.max(free, now) + (chunk.length / bytesPerSecond) * 1000;
    line.push({ chunk, due: free + roundTripMs / 2 });
    waiting += chunk.length;
    // What is on the line may not grow without bound; a sender feels a full line
    if (waiting > 4 * 2 ** 20) from.pause();
    if (line.length === 1) after(line[0]!.due - now, deliver);
  });
  from.on('close', () => setTimeout(() => to.destroy(), roundTripMs / 2));
  from.on('error', () => to.destroy());
}

/** A loopback address that leads to `url` over an emulated network. */
export async function emulate(url: string, network: Network): Promise<string> {
  const { hostname, port } = new URL(url);
  const server = createServer((near) => {
    const far = connect({ host: hostname, port: Number(port), noDelay: true });
    near.setNoDelay(true);
    carry(near, far, network);
    carry(far, near, network);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
