/** What an owner does in a trial: writes, runs, prepares, runs that, frees. */
import type { Graph } from '@secformer/secformer-ops';
import type { Session } from '../../src/index.js';
import { WrongResult } from './trial.js';

const shape = [16, 64];
const size = 16 * 64;
/** Rounds of several protocols on rows of some size: a tenth of a second. */
const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape },
    { op: 'gelu', form: 'erf', in: [0], shape },
    { op: 'softmax', in: [1], shape },
  ],
  outputs: [1, 2],
};
const request = {
  graph,
  slots: [{ tensor: 1 }],
  revealed: [0, 1],
  kept: [],
  suite: 'exact',
};
/** GeLU of 1, and what a softmax makes of a row of equal numbers. */
const [GELU, PART] = [0.8413447, 1 / 64];

function check(outputs: readonly Float32Array[]): void {
  const [gelus, parts] = outputs as [Float32Array, Float32Array];
  const right =
    gelus.length === size &&
    parts.length === size &&
    gelus.every((y) => Math.abs(y - GELU) < 1e-3) &&
    parts.every((y) => Math.abs(y - PART) < 1e-3);
  if (!right) throw new WrongResult(`a wrong result: ${gelus.slice(0, 4)} and ${parts.slice(0, 4)}`);
}

export async function ownerSession(connect: () => Promise<Session>): Promise<void> {
  const session = await connect();
  try {
    session.prepareAhead = false;
    await session.write(1, new Float32Array(size).fill(1), shape);
    check((await session.run(request)).outputs);
    check((await (await session.prepare(request)).run()).outputs);
    session.free([1]);
  } finally {
    session.close();
  }
}
