/** One party of a measured operation, as a thread: prepares when it is handed its part of the randomness, runs on the word, and says how long that took. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { limits, PortLink } from '@secformer/party-node';
import { Arena, loadKernels, RunStreams, Secret, type Words } from '@secformer/ring';
import { type PreparedParty, prepareParty, type Role, readProgram, runParty } from '@secformer/secformer-ops';

export interface PartyWorkerData {
  role: Role;
  program: Uint8Array;
  inputs: Words[];
  link: MessagePort;
}

/** One run: the key of its streams, and at P1 the corrections. */
export type ToParty = { key: Uint8Array; corrections: Uint8Array } | 'run';
export type FromParty = 'prepared' | { ms: number };

const { role, program, inputs, link: port } = workerData as PartyWorkerData;
const kernels = await loadKernels();
const checked = readProgram(program);
const arena = new Arena(limits.partyBytes);
const link = new PortLink(port);

// What has come of the other party's frame
let arrived: Uint8Array = new Uint8Array(0);
let filled = 0;
let complete: () => void = () => {};
let waiting: Uint8Array[] = [];
function take(part: Uint8Array): void {
  arrived.set(part, filled);
  filled += part.length;
  if (filled === arrived.length) complete();
}
link.onFrame = (part) => {
  // It may be a round ahead
  if (filled === arrived.length) waiting.push(part.slice());
  else take(part);
};

async function exchange(_round: number, mine: Uint8Array, expected: number): Promise<Uint8Array> {
  arrived = arena.borrow(expected);
  filled = 0;
  const whole = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const early = waiting;
  waiting = [];
  for (const part of early) take(part);
  for (let at = 0; at < mine.length; ) {
    const frame = link.frame(Math.min(limits.frameBytes, mine.length - at));
    frame.set(mine.subarray(at, at + frame.length));
    at += frame.length;
    await link.send(frame);
  }
  await whole;
  return arrived;
}

let streams: RunStreams;
let prepared: PreparedParty;
parentPort!.on('message', async (m: ToParty) => {
  if (m === 'run') {
    const start = performance.now();
    await runParty({ kernels, role, checked, streams, arena, prepared, inputs: inputs.map((share) => ({ share })), exchange });
    const ms: FromParty = { ms: performance.now() - start };
    parentPort!.postMessage(ms);
    return;
  }
  streams = new RunStreams(kernels, new Secret(m.key));
  let at = 0;
  const material = async (bytes: number) => {
    at += bytes;
    return m.corrections.subarray(at - bytes, at);
  };
  prepared = await prepareParty({ kernels, role, checked, streams, arena, material }, limits.aheadBytes);
  const done: FromParty = 'prepared';
  parentPort!.postMessage(done);
});
