import {
  Arena,
  deriveRunKey,
  type Kernels,
  KeyStream,
  Purpose,
  packedBytes,
  RunStreams,
  Secret,
  scratch,
  type Words,
  zeros,
} from '@secformer/ring';
import type { DealerValue, PartyValue, Role } from '../instruction/primitive.js';
import { PublicWords } from '../instruction/public-words.js';
import { publicBits, type ShareType, sizeOf, type ValueType } from '../instruction/types.js';
import { shareOf } from '../protocols/operands.js';
import { runDealer } from './dealer.js';
import { prepareParty } from './draw.js';
import { runParty } from './party.js';
import type { CheckedProgram } from './program.js';
import { newTrace, type RunTrace } from './trace.js';

/**
 * What a run of all three roles in one process leaves: shares of every value that lived to the end, what each party
 * received, and the costs.
 */
export interface Together {
  /** words of an output, modulo its bits */
  reveal(value: number): Words;
  /** both parties' words of an output */
  shares(value: number): [Words, Words];
  types: ValueType[];
  trace: RunTrace;
  dealerBytes: number;
  /** every byte that P0 received from P1, and that P1 received from P0 and from the dealer, in order */
  received: { p0: Uint8Array[]; p1: Uint8Array[]; material: Uint8Array[] };
}

/** Both halves of a one-hot input's mask, as its client adds them: λ0 + λ1. */
export function clientMask(kernels: Kernels, n: number, width: number, keys: readonly [Secret, Secret]): Words {
  const mask = new KeyStream(kernels, keys[0]).words(n, width);
  kernels.add(mask, mask, new KeyStream(kernels, keys[1]).words(n, width));
  return mask;
}

/**
 * Puts ones under the masks of a one-hot input, in their place: E = onehot + λ0 + λ1, and then P0's share is E − λ0,
 * P1's −λ1.
 * View: the client knows both keys, which are of this input of this run and issued once; each party sees E, uniform
 * because it knows one λ only; the dealer knows λ and never sees E. A party takes one E for a run, and the two compare
 * a hash of it before any output leaves. Source protocols section 11.
 * @param ones where they are in the matrix, row after row
 */
export function maskOneHot(kernels: Kernels, ones: Int32Array, width: number, mask: Words): Uint8Array {
  for (const at of ones) mask[at] = (mask[at] as bigint) + 1n;
  const e = new Uint8Array(packedBytes(mask.length, width));
  kernels.pack(e, mask, width);
  return e;
}

/** A party's half of the mask of a one-hot input: its own stream. */
export function oneHotMask(n: number, width: number, streams: RunStreams, input: number): Words {
  return streams.claim(Purpose.input, input, 0).words(n, width);
}

/** A party's value of a one-hot input, from E, unpacked into `m`, and its half of the mask. */
export function openOneHot(kernels: Kernels, packed: Uint8Array, width: number, half: Words, m: Words): PartyValue {
  kernels.unpack(m, packed, width);
  return { m, half };
}

/** The dealer's value of a one-hot input. */
export function dealOneHot(
  kernels: Kernels,
  n: number,
  width: number,
  streams: readonly [RunStreams, RunStreams],
  input: number,
): DealerValue {
  const [r, other] = streams.map((s) => s.claim(Purpose.input, input, 0).words(n, width)) as [Words, Words];
  const difference = scratch(n);
  kernels.sub(difference, other, r);
  kernels.add(r, r, other);
  kernels.affine(r, r, 1n, 0n, width);
  return { r, difference };
}

/** What a run in one process keeps for its next arrays: enough that tests meet memory used before. */
const ARENA_BYTES = 2 ** 28;

/**
 * Runs a Program with both parties and the dealer in this process: the real protocols with links in memory, for tests
 * and measurements.
 * @param inputs words of each share, opened or public input, or where the ones are of each one-hot input
 */
export async function runTogether(
  kernels: Kernels,
  checked: CheckedProgram,
  inputs: (Words | Int32Array)[],
  randomness: Uint8Array = crypto.getRandomValues(new Uint8Array(32)),
  /** both parties' share of every value, or its xor-shared bits, in the order of the values */
  observe?: (value: number, p0: Words | undefined, p1: Words | undefined) => void,
  /** bytes that each party draws ahead of the run */
  ahead?: readonly [number, number],
  /** memory of P0, P1 and the dealer; what is left in it of a run is its outputs and keeps, which it gives away */
  arenas: readonly [Arena, Arena, Arena] = [new Arena(ARENA_BYTES), new Arena(ARENA_BYTES), new Arena(ARENA_BYTES)],
): Promise<Together> {
  const seed = (label: number) => deriveRunKey(new Secret(randomness), Uint8Array.of(label));
  const runId = new Uint8Array(16);
  const streamsOf = (label: number) => new RunStreams(kernels, deriveRunKey(seed(label), runId));
  const { program } = checked;
  const dealerStreams = [streamsOf(0), streamsOf(1)] as const;
  const partyStreams = [streamsOf(0), streamsOf(1)] as const;
  const inputNoise = new KeyStream(kernels, seed(9));
  const parties: [PartyValue[], PartyValue[]] = [[], []];
  const dealer: DealerValue[] = [];
  program.inputs.forEach((input, i) => {
    const given = inputs[i]!;
    if (input.kind === 'oneHot') {
      const keys = [dealerStreams[0].key(Purpose.input, i, 0), dealerStreams[1].key(Purpose.input, i, 0)] as const;
      const n = sizeOf(input.shape);
      const e = maskOneHot(kernels, given as Int32Array, input.width, clientMask(kernels, n, input.width, keys));
      for (const role of [0, 1] as const)
        parties[role].push(
          openOneHot(kernels, e, input.width, oneHotMask(n, input.width, partyStreams[role], i), zeros(n)),
        );
      dealer.push(dealOneHot(kernels, sizeOf(input.shape), input.width, dealerStreams, i));
      return;
    }
    const n = sizeOf(input.shape);
    if (input.kind === 'public') {
      for (const role of [0, 1] as const)
        parties[role].push({ known: new PublicWords(kernels, (given as Words).slice(), publicBits(input)) });
      dealer.push({});
      return;
    }
    if (input.kind === 'opened') {
      // As an earlier run would have left it
      const halves = [0, 1].map(() => inputNoise.words(n, input.width)) as [Words, Words];
      const [r, difference, m] = [zeros(n), zeros(n), zeros(n)];
      kernels.add(r, halves[0], halves[1]);
      kernels.sub(difference, halves[1], halves[0]);
      kernels.add(m, given as Words, r);
      for (const words of [r, m]) kernels.affine(words, words, 1n, 0n, input.width);
      for (const role of [0, 1] as const) parties[role].push({ m, half: halves[role] });
      dealer.push({ r, difference });
      return;
    }
    const first = inputNoise.words(n, 64);
    const second = zeros(n);
    kernels.sub(second, given as Words, first);
    parties[0].push({ share: first });
    parties[1].push({ share: second });
    dealer.push({});
  });
  const material: Uint8Array[] = [];
  let dealerBytes = 0;
  await runDealer({
    kernels,
    checked,
    inputs: dealer,
    streams: dealerStreams,
    arena: arenas[2],
    emit: async (bytes) => {
      dealerBytes += bytes.length;
      material.push(bytes.slice());
    },
  });
  const received: Together['received'] = { p0: [], p1: [], material };
  let [correction, read] = [0, 0];
  // A correction is read in parts, one after another
  const source = async (bytes: number): Promise<Uint8Array> => {
    if (read === material[correction]!.length) [correction, read] = [correction + 1, 0];
    read += bytes;
    return material[correction]!.subarray(read - bytes, read);
  };
  // Each round's frames meet here: whoever comes second resolves both
  const waiting = new Map<number, { frame: Uint8Array; resolve: (theirs: Uint8Array) => void }>();
  const exchange = (role: Role) => (round: number, mine: Uint8Array) =>
    new Promise<Uint8Array>((resolve) => {
      const sent = mine.slice();
      received[role === 0 ? 'p1' : 'p0'].push(sent);
      const other = waiting.get(round);
      if (!other) {
        waiting.set(round, { frame: sent, resolve });
        return;
      }
      waiting.delete(round);
      other.resolve(sent);
      resolve(other.frame);
    });
  const trace = newTrace();
  // The parties run apart; a value is shown once both have it, in order
  const seen: [Map<number, Words | undefined>, Map<number, Words | undefined>] = [new Map(), new Map()];
  let shown = program.inputs.length;
  const watch = (role: Role) => (value: number, v: PartyValue) => {
    // A copy: the array is used again once the value is dead
    const type = checked.types[value]!;
    const opened = type.kind === 'opened' && type.bits > 0;
    seen[role].set(
      value,
      (opened ? shareOf({ kernels, role, types: [type], ins: [v] }, 0) : (v.share ?? v.planes))?.slice(),
    );
    while (seen[0].has(shown) && seen[1].has(shown)) {
      observe!(shown, seen[0].get(shown), seen[1].get(shown));
      for (const s of seen) s.delete(shown);
      shown++;
    }
  };
  const run = async (role: Role) => {
    const from = { kernels, role, checked, streams: partyStreams[role], arena: arenas[role], material: source };
    const prepared = ahead && (await prepareParty(from, ahead[role]));
    return runParty({
      ...from,
      ...(observe && { observe: watch(role) }),
      ...(prepared && { prepared }),
      inputs: parties[role],
      exchange: exchange(role),
      ...(role === 0 && { trace }),
    });
  };
  const [v0, v1] = await Promise.all([run(0), run(1)]);
  for (const v of program.outputs) for (const role of [0, 1] as const) arenas[role].disown([[v0, v1][role]![v]!.share]);
  const shares = (value: number): [Words, Words] => [v0[value]!.share!, v1[value]!.share!];
  return {
    types: checked.types,
    trace,
    dealerBytes,
    received,
    shares,
    reveal(value) {
      const [a, b] = shares(value);
      const out = zeros(a.length);
      kernels.add(out, a, b);
      kernels.affine(out, out, 1n, 0n, (checked.types[value] as ShareType).bits);
      return out;
    },
  };
}
