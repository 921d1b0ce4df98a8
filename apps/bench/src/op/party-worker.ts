/**
 * One party of a measured operation, as a thread: prepares when it is handed its part of the randomness, runs on the
 * word, and says how long that took.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { limits, PortLink } from '@secformer/party-node';
import { Arena, loadKernels, RunStreams, Secret, type Words } from '@secformer/ring';
import {
  type PreparedParty,
  prepareParty,
  type Role,
  readProgram,
  releaseOutputs,
  runParty,
} from '@secformer/secformer-ops';

export interface PartyWorkerData {
  role: Role;
  program: Uint8Array;
  inputs: Words[];
  link: MessagePort;
}

/** One run: the key of its streams, and at P1 the corrections. */
export type ToParty = { key: Uint8Array; corrections: Uint8Array } | 'run';
export type FromParty = 'prepared' | { ms: number };

/** As much as a party has on a machine of 24 GiB. */
const MEMORY = 6 * 2 ** 30;

const { role, program, inputs, link: port } = workerData as PartyWorkerData;
const kernels = await loadKernels();
const checked = readProgram(program);
const arena = new Arena(MEMORY);
const link = new PortLink(port);

interface Incoming {
  bytes: Uint8Array;
  filled: number;
  whole: Promise<void>;
  complete: () => void;
}

// What has come of the other party's frames, by round: it may be a round ahead, or a run
const incoming = new Map<number, Incoming>();
const talking = checked.rounds.flatMap(({ openings }, round) => (openings.length > 0 ? [round] : []));
let frames = 0;

function frameOf(round: number): Incoming {
  const known = incoming.get(round);
  if (known) return known;
  let complete = () => {};
  const whole = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const made = { bytes: arena.borrow(checked.rounds[round]!.bytes), filled: 0, whole, complete };
  incoming.set(round, made);
  return made;
}

link.onFrame = (part) => {
  const frame = frameOf(talking[frames % talking.length]!);
  frame.bytes.set(part, frame.filled);
  frame.filled += part.length;
  if (frame.filled < frame.bytes.length) return;
  frames++;
  frame.complete();
};

async function exchange(round: number, mine: Uint8Array): Promise<Uint8Array> {
  const theirs = frameOf(round);
  for (let at = 0; at < mine.length; ) {
    const frame = link.frame(Math.min(limits.frameBytes, mine.length - at));
    frame.set(mine.subarray(at, at + frame.length));
    at += frame.length;
    await link.send(frame);
  }
  await theirs.whole;
  incoming.delete(round);
  return theirs.bytes;
}

let streams: RunStreams;
let prepared: PreparedParty;
parentPort!.on('message', async (m: ToParty) => {
  if (m === 'run') {
    const start = performance.now();
    const values = await runParty({
      kernels,
      role,
      checked,
      streams,
      arena,
      prepared,
      inputs: inputs.map((share) => ({ share })),
      exchange,
    });
    const ms: FromParty = { ms: performance.now() - start };
    releaseOutputs(arena, checked, values);
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
