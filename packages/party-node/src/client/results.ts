/** A run's outputs and record, combined from the answers of the nodes. */
import { decodeFixed, type Kernels, packedBytes, sizeOf, type Words } from '@secformer/ring';
import { combineOutput, type TraceEvent } from '@secformer/secformer-ops';
import { nodeName } from '../wire/handshake.js';
import type { RunRecord, RunResult } from './run-request.js';
import type { Runnable } from './runnable.js';
import type { Answer } from './waiting.js';

/** What the client itself has measured during a run. */
interface Measured {
  prepareMs: number;
  onlineMs: number;
  /** bytes of masked inputs, sent to each party */
  inputs: number;
  /** whether the parties sent their timelines */
  trace: boolean;
}

/** Decodes the revealed outputs; the check digests that follow them are zero where every value stayed in its domain. */
export function combine(
  kernels: Kernels,
  { outputs, checks }: Runnable,
  fromP0: Uint8Array,
  fromP1: Uint8Array,
): Pick<RunResult, 'outputs' | 'left'> {
  let at = 0;
  const words = outputs.map(({ shape, bits }) => {
    const n = sizeOf(shape);
    const bytes = packedBytes(n, bits);
    const [p, q] = [fromP0, fromP1].map((b) => b.subarray(at, at + bytes)) as [Uint8Array, Uint8Array];
    at += bytes;
    return combineOutput(kernels, p, q, n, bits);
  });
  const digests = words.splice(words.length - checks.length);
  const decoded = (w: Words, i: number) => {
    const { bits, fracBits } = outputs[i]!;
    return Float32Array.from(decodeFixed(kernels, w, bits, fracBits));
  };
  return { outputs: words.map(decoded), left: checks.filter((_, i) => digests[i]!.some((word) => word !== 0n)) };
}

/** A run's record, from the answers of party 0 (`a`), party 1 (`b`) and the dealer. */
export function recordOf(
  a: Answer<'result'>,
  b: Answer<'result'>,
  dealt: Answer<'dealt'>,
  { prepareMs, onlineMs, inputs, trace }: Measured,
): RunRecord {
  return {
    prepareMs,
    onlineMs,
    rounds: a.header.rounds,
    bytes: {
      p0p1: a.header.bytesSent,
      p1p0: b.header.bytesSent,
      dealer: dealt.header.bytes,
      overhead: a.header.overheadBytes + b.header.overheadBytes,
      inputs,
    },
    perOp: a.header.perOp,
    waitMs: a.header.waitMs,
    spent: { party0: spentOf(a), party1: spentOf(b) },
    memory: { party0: a.header.memory, party1: b.header.memory, dealer: dealt.header.memory },
    ...(trace && {
      traces: [a, b].map((answer, i) => ({ node: nodeName[i === 0 ? 'party0' : 'party1'], events: eventsOf(answer) })),
    }),
  };
}

const spentOf = ({ header: { systemMs, collectorMs } }: Answer<'result'>) => ({ systemMs, collectorMs });

/** The timeline, which follows the outputs in a result's payload. */
function eventsOf({ header, payload }: Answer<'result'>): TraceEvent[] {
  return JSON.parse(
    new TextDecoder().decode(payload.subarray(payload.length - (header.traceBytes ?? 0))),
  ) as TraceEvent[];
}
