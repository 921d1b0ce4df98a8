/** A small model, published and asked. */
import { Secret } from '@secformer/ring';
import type { Graph } from '@secformer/secformer-ops';
import { Asking, type PublishRequest, type RunProgress, Session } from '../src/index.js';
import { keyPairFrom } from '../src/wire/keys.js';
import type { Grant, Principal } from '../src/wire/principal.js';
import type { Engines } from './engines.js';

export const KEY = new Secret(new Uint8Array(32).fill(7));

export function publisher(more: Partial<Extract<Principal, { kind: 'publisher' }>> = {}): Principal {
  const { public: key } = keyPairFrom(KEY);
  return { kind: 'publisher', name: 'acme', key, limits: { models: 10, bytes: 2 ** 30, runs: 8 }, ...more };
}

export function asker(more: Partial<Grant> = {}): Principal {
  return {
    kind: 'asker',
    limits: { models: 10, bytes: 2 ** 30, runs: 8 },
    grant: {
      publisher: 'acme',
      subject: 'somebody',
      id: 'g1',
      model: 'small',
      versions: undefined,
      outputs: undefined,
      expires: Date.now() / 1000 + 3600,
      quota: undefined,
      ...more,
    },
  };
}

export const WIDTH = 6;
export const ROWS = 40;

/** rows of a table by the client's indices, times weights, plus what the client shares */
const graph = (count: number): Graph => ({
  nodes: [
    { op: 'oneHot', slot: 0, depth: ROWS, in: [], shape: [count, ROWS] },
    { op: 'input', slot: 1, in: [], shape: [ROWS, WIDTH] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [count, WIDTH] },
    { op: 'input', slot: 2, in: [], shape: [WIDTH, 3] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [2, 3], shape: [count, 3] },
    { op: 'input', slot: 3, in: [], shape: [count, 3] },
    { op: 'add', in: [4, 5], shape: [count, 3] },
    { op: 'relu', in: [6], shape: [count, 3] },
  ],
  outputs: [7],
});

const pseudo = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => ((i * 37 + seed * 11) % 23) / 8 - 1.4);
export const table = pseudo(ROWS * WIDTH, 1);
export const weights = pseudo(WIDTH * 3, 2);

export function answer(ids: Int32Array, added: Float32Array): number[] {
  return [...added].map((b, o) => {
    const [row, column] = [Math.floor(o / 3), o % 3];
    let sum = b;
    for (let k = 0; k < WIDTH; k++) sum += table[ids[row]! * WIDTH + k]! * weights[k * 3 + column]!;
    return Math.max(0, sum);
  });
}

export function requestOf(version = '1', counts = [4, 9]): PublishRequest {
  return {
    name: 'small',
    version,
    key: KEY,
    assets: [{ name: 'labels.json', bytes: new TextEncoder().encode('["no","yes","maybe"]') }],
    programs: counts.map((count) => ({
      graph: graph(count),
      suite: 'exact',
      watched: true,
      slots: [{ indices: 0 }, { tensor: 1 }, { tensor: 2 }, { value: 0 }],
      values: [{ shape: [count, 3], fracBits: 16 }],
      revealed: [0],
      inputs: [
        { name: 'ids', shape: [count], dtype: 'int32' },
        { name: 'added', shape: [count, 3], dtype: 'float32' },
      ],
      outputs: [{ name: 'scores', shape: [count, 3], dtype: 'float32' }],
      client: { steps: [] },
    })),
  };
}

/** @param known whether anybody may know the table and the weights */
export async function publishSmall(e: Engines, version = '1', as = publisher(), known = false) {
  const session = await Session.connect(e.as(as), e.token);
  try {
    if (known) {
      await session.writePublic(1, table, [ROWS, WIDTH]);
      await session.writePublic(2, weights, [WIDTH, 3]);
    } else {
      await session.write(1, table, [ROWS, WIDTH]);
      await session.write(2, weights, [WIDTH, 3]);
    }
    return await session.publish(requestOf(version));
  } finally {
    session.close();
  }
}

export const askerOf = (e: Engines, as = asker()) => Asking.connect(e.as(as), e.token);

/** Asks once. @returns how far off the answer is */
export async function askSmall(
  asking: Asking,
  count = 4,
  version?: string,
  onProgress: (e: RunProgress) => void = () => {},
): Promise<number> {
  const m = await asking.manifest('small', version);
  const ids = Int32Array.from({ length: count }, (_, i) => (i * 13 + 5) % ROWS);
  const added = pseudo(count * 3, 3);
  const program = m.programs.findIndex((p) => p.inputs[0]!.shape[0] === count);
  const { outputs } = await asking.ask(m, program, [added], [ids], { onProgress });
  const want = answer(ids, added);
  return Math.max(...outputs[0]!.map((v, i) => Math.abs(v - want[i]!)));
}
