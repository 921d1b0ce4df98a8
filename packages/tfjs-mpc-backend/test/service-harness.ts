/** Published models without a service: a traced function in plaintext, and on the embedded trio as ordinary runs. */
import { Session } from '@secformer/party-node';
import { startTrio, type Trio } from '@secformer/party-node/node';
import { evaluateGraph } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import type { PlainTensor } from '../src/host.js';
import { checkedPart } from '../src/service/check-part.js';
import { ClientRun } from '../src/service/client-run.js';
import type { TensorSpec } from '../src/service/nodes.js';
import { partOfProgram, type Traceable, type Traced, trace } from '../src/service/trace.js';

export type Given = { shape: number[]; dtype: TensorSpec['dtype']; values: ArrayLike<number> };

const TYPES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
const plain = ({ shape, dtype, values }: Given): PlainTensor => ({ shape, dtype, values: TYPES[dtype].from(values) });

/** A checked client part on some inputs, after it was text. */
export function clientOf({ program }: Traced, inputs: readonly Given[]): ClientRun {
  const part = checkedPart(JSON.parse(JSON.stringify(program.client)), partOfProgram(program));
  return new ClientRun(part, inputs.map(plain));
}

/** A client's outputs, where the nodes compute in plaintext. */
export function inPlain(traced: Traced, inputs: readonly Given[]): PlainTensor[] {
  const { program, needed } = traced;
  const run = clientOf(traced, inputs);
  const { values, indices } = run.given();
  const slots = program.slots.map((s) => {
    if ('tensor' in s) return Float64Array.from(needed.sources.get(s.tensor)!().values);
    return Float64Array.from('value' in s ? values[s.value]! : indices[s.indices]!);
  });
  const outputs = evaluateGraph(program.graph, slots);
  return run.outputs(program.revealed.map((i) => Float32Array.from(outputs[i]!)));
}

let trio: Trio | undefined;

/** Ends the threads of the embedded trio, after the tests. */
export async function stopTrio(): Promise<void> {
  await trio?.stop();
}

/** The same on the embedded trio. */
export async function onTrio(traced: Traced, inputs: readonly Given[]): Promise<PlainTensor[]> {
  const { program, needed } = traced;
  trio ??= startTrio(() => {});
  const session = await Session.connect(trio.dial, trio.token);
  try {
    let free = 1e6;
    for (const source of needed.sources.values()) {
      const { tensor, values, shape, fracBits } = source();
      await session.write(tensor, values, shape, { fracBits });
    }
    const run = clientOf(traced, inputs);
    const given = run.given();
    const slots = [];
    for (const s of program.slots) {
      if ('tensor' in s) slots.push(s);
      else if ('indices' in s) slots.push({ indices: given.indices[s.indices]! });
      else {
        const { shape, fracBits } = program.values[s.value]!;
        await session.write(free, given.values[s.value]!, shape, { fracBits });
        slots.push({ tensor: free++ });
      }
    }
    const { graph, suite, revealed, watched } = program;
    const { outputs } = await session.run({ graph, suite, slots, revealed, kept: [], watched });
    return run.outputs(outputs);
  } finally {
    session.close();
  }
}

/** What the function gives on 'cpu'. */
export async function onCpu(f: (...inputs: tf.Tensor[]) => Record<string, tf.Tensor>, inputs: readonly Given[]) {
  await tf.setBackend('cpu');
  const outputs = tf.tidy(() => f(...inputs.map((g) => tf.tensor(plain(g).values as never, g.shape, g.dtype))));
  const read = Object.values(outputs).map((t) => ({ values: t.dataSync().slice(), shape: t.shape, dtype: t.dtype }));
  tf.dispose(outputs);
  await tf.setBackend('secformer');
  return read as PlainTensor[];
}

/** The largest difference; shapes and types must be the same. */
export function furthest(got: readonly PlainTensor[], want: readonly PlainTensor[]): number {
  if (got.length !== want.length) throw new Error(`${got.length} outputs, not ${want.length}`);
  let worst = 0;
  got.forEach((g, i) => {
    const w = want[i]!;
    if (g.dtype !== w.dtype || g.shape.join() !== w.shape.join() || g.values.length !== w.values.length)
      throw new Error(`output ${i}: ${g.dtype} [${g.shape}], not ${w.dtype} [${w.shape}]`);
    for (let k = 0; k < g.values.length; k++) {
      const off = Math.abs((g.values[k] as number) - (w.values[k] as number));
      worst = Math.max(worst, Number.isNaN(off) ? Number.POSITIVE_INFINITY : off);
    }
  });
  return worst;
}

export const specsOf = (inputs: readonly Given[]): TensorSpec[] =>
  inputs.map(({ shape, dtype }, i) => ({ name: `x${i}`, shape: [...shape], dtype }));

/** Traces a function for inputs of these shapes. */
export const traced = (f: Traceable, inputs: readonly Given[]): Traced => trace(f, specsOf(inputs));

/** Numbers of a client part that stand in it as a publisher's float values do: not whole, and not the program's own. */
export function numbersIn(client: unknown): Set<number> {
  const found = new Set<number>();
  JSON.stringify(client, (_, v) => {
    if (typeof v === 'number') found.add(v);
    return v;
  });
  return found;
}
