import { Arena, deriveRunKey, encodeFixed, KeyStream, RunStreams, Secret, type Words } from '@secformer/ring';
import {
  type CheckedProgram,
  checkProgram,
  type DealerValue,
  type Graph,
  type PartyValue,
  plan,
  runDealer,
  runParty,
  StoredOpening,
  suiteOf,
  writtenTensor,
} from '@secformer/secformer-ops';
import test from 'ava';
import type { ModelTensor } from '../src/store/model-files.js';
import { ModelStore } from '../src/store/model-store.js';
import { folder, kernels, modelOf, storeKey } from './stored-model.js';

/** x·V and GeLU(x·V)·W. */
const product = { transposeA: false, transposeB: false };
const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [8, 16] },
    { op: 'input', slot: 1, in: [], shape: [16, 24] },
    { op: 'input', slot: 2, in: [], shape: [24, 8] },
    { op: 'matMul', ...product, in: [0, 1], shape: [8, 24] },
    { op: 'gelu', form: 'erf', in: [3], shape: [8, 24] },
    { op: 'matMul', ...product, in: [4, 2], shape: [8, 8] },
  ],
  outputs: [5, 3],
};
const SHAPES = [
  [16, 24],
  [24, 8],
];

interface Values {
  parties: [PartyValue[], PartyValue[]];
  dealer: DealerValue[];
}

/** One run of all three; runs of the same number draw the same. */
async function run(checked: CheckedProgram, number: number, inputs: Values): Promise<Values> {
  const streams = (of: number) =>
    new RunStreams(kernels, deriveRunKey(new Secret(new Uint8Array(32).fill(of)), new Uint8Array(16).fill(number)));
  const material: Uint8Array[] = [];
  const dealer = await runDealer({
    kernels,
    checked,
    inputs: inputs.dealer,
    streams: [streams(1), streams(2)],
    arena: new Arena(0),
    emit: async (bytes) => void material.push(bytes.slice()),
  });
  const all = Buffer.concat(material);
  const frames = [0, 1].map(() => new Map<number, PromiseWithResolve>());
  const parties = ([0, 1] as const).map((role) => {
    let read = 0;
    return runParty({
      kernels,
      role,
      checked,
      inputs: inputs.parties[role],
      streams: streams(role + 1),
      arena: new Arena(0),
      material: async (bytes) => {
        read += bytes;
        return new Uint8Array(all.subarray(read - bytes, read));
      },
      exchange: (round, mine) => {
        frame(frames[role]!, round).resolve(mine.slice());
        return frame(frames[1 - role]!, round).promise;
      },
    });
  });
  return { dealer, parties: (await Promise.all(parties)) as [PartyValue[], PartyValue[]] };
}

interface PromiseWithResolve {
  promise: Promise<Uint8Array>;
  resolve: (bytes: Uint8Array) => void;
}

function frame(of: Map<number, PromiseWithResolve>, round: number): PromiseWithResolve {
  const there = of.get(round);
  if (there) return there;
  let resolve: (bytes: Uint8Array) => void = () => {};
  const promise = new Promise<Uint8Array>((done) => {
    resolve = done;
  });
  of.set(round, { promise, resolve });
  return { promise, resolve };
}

test('a run with shares and openings from a store gives what it gives without one, to the bit', async (t) => {
  const drawn = new KeyStream(kernels, storeKey(9));
  const encoded = [128, 384, 192].map((n, i) =>
    encodeFixed(
      kernels,
      Float32Array.from({ length: n }, (_, j) => Math.sin(i + j)),
      16,
      14,
    ),
  );
  const halves = encoded.map((words) => {
    const first = drawn.words(words.length, 64, new BigUint64Array(words.length));
    const second = new BigUint64Array(words.length);
    kernels.sub(second, words, first);
    return [first, second] as const;
  });
  const share = (slot: number, role: 0 | 1): PartyValue => ({ share: halves[slot]![role].slice() });

  // The first run opens the weights, which stay
  const first = plan(graph, suiteOf('exact'), [writtenTensor, writtenTensor, writtenTensor], []);
  const opening = checkProgram(first.program);
  const ofSlots = (role: 0 | 1) => opening.program.inputs.map((_, i) => share(i, role));
  const opened = await run(opening, 1, { parties: [ofSlots(0), ofSlots(1)], dealer: [{}, {}, {}] });
  const kept = first.keeps.map((keep, i) => ({ keep, value: opening.program.keeps[i]! }));
  t.is(kept.length, 3);
  const widthOf = (slot: number) =>
    kept.flatMap(({ keep }) => (keep.kind === 'opened' && keep.slot === slot ? [keep.width] : []));
  const tensors = (role: 0 | 1 | 2): ModelTensor<() => Words>[] =>
    SHAPES.map((shape, i) => {
      const at = kept.find(({ keep }) => keep.kind === 'opened' && keep.slot === i + 1)!.value;
      const value = role === 2 ? opened.dealer[at]! : opened.parties[role][at]!;
      const { bits, width, key } = value.stored!.secrets();
      return {
        type: { shape, fracBits: 16, bits: 64, magnitude: 14 },
        ...(role !== 2 && { share: () => halves[i + 1]![role] }),
        openings: [{ width, bits, words: () => value.stored!.secrets().words, key: key.bytes }],
      };
    });

  const dir = await folder(t);
  const forms = SHAPES.map((shape) => ({ shape, bits: 64, share: false, openings: [] }));
  const stored: ModelTensor[][] = [];
  for (const role of [0, 1, 2] as const) {
    const options = { kernels, node: 'party 0', key: storeKey(role), chunkBytes: 1000 } as const;
    let store = await ModelStore.open(dir, options);
    const model = modelOf(forms, { name: `of-${role}`, seed: role });
    await store.stage({ ...model, tensors: tensors(role) });
    await store.commit(model.generation);
    await store.close();
    store = await ModelStore.open(dir, options);
    stored.push([...(await store.load(`of-${role}`, '1')).tensors]);
    await store.close();
  }

  const state = (slot: number) => ({ ...writtenTensor, stored: widthOf(slot) });
  const { program, bindings } = plan(graph, suiteOf('exact'), [writtenTensor, state(1), state(2)], [0, 1]);
  const checked = checkProgram(program);
  const inputs = (fromStore: boolean): Values => {
    const of = (role: 0 | 1 | 2) =>
      program.inputs.map((input, i): PartyValue & DealerValue => {
        const { slot } = bindings[i] as { slot: number };
        if (input.kind === 'share') {
          if (role === 2) return {};
          return fromStore && slot > 0 ? { share: stored[role]![slot - 1]!.share! } : share(slot, role);
        }
        const at = kept.find(({ keep }) => keep.kind === 'opened' && keep.slot === slot)!.value;
        const before = (role === 2 ? opened.dealer[at] : opened.parties[role][at])!.stored!;
        const there = stored[role]![slot - 1]!.openings[0]!;
        const used = fromStore ? StoredOpening.fromSecrets(kernels, { ...there, key: new Secret(there.key) }) : before;
        return role === 2 ? used.atDealer() : used.atParty();
      });
    return { parties: [of(0), of(1)], dealer: of(2) };
  };
  const outputs = ({ parties }: Values) => parties.map((values) => program.outputs.map((v) => values[v]!.share!));
  const without = outputs(await run(checked, 2, inputs(false)));
  t.deepEqual(
    program.inputs.map(({ kind }) => kind),
    ['share', 'share', 'opened', 'share', 'opened'],
  );
  const through = outputs(await run(checked, 2, inputs(true)));
  t.deepEqual(through, without);
  t.is(without[0]![0]!.length, 64);
});
