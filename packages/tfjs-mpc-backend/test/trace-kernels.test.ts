/**
 * Every kernel, traced: of clients' values alone, and of values of both in turn, clients and nodes together compute
 * what the nodes compute of a caller's own.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import type { SecformerBackend } from '../src/backend.js';
import { typed } from '../src/data-record.js';
import { configure } from '../src/index.js';
import { evaluateCompiled } from '../src/plaintext.js';
import { compiledFor } from '../src/reads.js';
import { trace } from '../src/service/trace.js';
import { type Case, cases, patterns } from './kernel-cases.js';
import { Own } from './own-filling.js';
import { clientOf, type Given, inPlain, specsOf } from './service-harness.js';

test.serial.afterEach.always(() => configure({}));

/** Who writes a tensor, by its number. */
type Turn = (i: number) => 'client' | 'publisher';

/** Notes what the clients write, or takes it as it is given. */
class Shared extends Own {
  readonly given: Given[] = [];
  readonly #inputs: tf.Tensor[] | undefined;
  readonly #turn: Turn;
  readonly #near: boolean;
  #i = 0;
  #taken = 0;

  constructor(variant: number, turn: Turn, near: boolean, inputs?: tf.Tensor[]) {
    super(variant);
    this.#near = near;
    this.#turn = turn;
    this.#inputs = inputs;
  }

  override mask<T = tf.Tensor>(shape: number[]): T {
    return this.#near ? (tf.mul(tf.cast(this.ints<tf.Tensor>(shape, 2), 'float32'), 4) as T) : super.mask(shape);
  }

  override ints<T = tf.Tensor1D>(shape: number[], below: number): T {
    return this.#written(super.ints<tf.Tensor>(shape, below)) as T;
  }

  override floats<T = tf.Tensor>(shape: number[]): T {
    return this.#written(super.floats<tf.Tensor>(shape)) as T;
  }

  #written(t: tf.Tensor): tf.Tensor {
    if (this.#turn(this.#i++) === 'publisher') return t;
    if (this.#inputs) return this.#inputs[this.#taken++]!;
    this.given.push({ shape: [...t.shape], dtype: t.dtype as 'int32', values: t.dataSync().slice() });
    return t;
  }
}

/** What is shared is not larger. */
const HELD = 2 ** 14;

/** What a read gives, where the nodes compute in plaintext; undefined where it is refused for what would be shared. */
function ordinary(t: tf.Tensor): ArrayLike<number> | undefined {
  const b = tf.backend() as SecformerBackend;
  if (b.isKnown(t)) return b.known(t).values as ArrayLike<number>;
  const compiled = compiledFor(b.node(t));
  for (const source of compiled.sources.values())
    if (!source().values.every((v) => Math.abs(v) <= HELD)) return undefined;
  const values = Float32Array.from(evaluateCompiled(compiled)[compiled.job.graph.outputs[0]!]!);
  return typed(compiled.finish ? compiled.finish(values) : values, t.dtype) as ArrayLike<number>;
}

/** Of these, a number far from 0 and another's small one are compared at the nodes, which loses the small one. */
const COMPARING = ['Atan2', 'FloorDiv', 'Maximum', 'Minimum', 'Mod'];

const TURNS: Record<string, Turn> = {
  'a client': () => 'client',
  'both in turn': (i) => (i % 2 ? 'client' : 'publisher'),
  'both, the other way round': (i) => (i % 2 ? 'publisher' : 'client'),
};

/** How far the results are from one another. */
function compared(f: Case, variant: number, turn: Turn, near: boolean): number {
  const first = new Shared(variant, turn, near);
  const wanted: (ArrayLike<number> | undefined)[] = [];
  tf.tidy(() => {
    wanted.push(...[f(first)].flat().map(ordinary));
  });
  const traced = trace((...inputs) => {
    const results = [f(new Shared(variant, turn, near, inputs))].flat();
    const b = tf.backend() as SecformerBackend;
    // What follows from the publisher's alone is no output
    return Object.fromEntries(results.flatMap((t, i) => (b.owner(t) === 'caller' ? [] : [[`${i}`, t]])));
  }, specsOf(first.given));
  try {
    const { values } = clientOf(traced, first.given).given();
    if (values.some((list) => !list.every((v) => Math.abs(v) <= HELD))) return 0;
    const got = inPlain(traced, first.given);
    let off = 0;
    traced.program.outputs.forEach(({ name }, i) => {
      Array.from(wanted[Number(name)] ?? []).forEach((want, k) => {
        const v = got[i]!.values[k] as number;
        if (Object.is(want, v) || (Number.isNaN(want) && Number.isNaN(v))) return;
        off = Math.max(off, Math.abs(want - v) / Math.max(1, Math.abs(want)) || 0);
        if (Number.isNaN(v) !== Number.isNaN(want)) off = Number.POSITIVE_INFINITY;
      });
    });
    return off;
  } finally {
    traced.release();
  }
}

for (const suite of ['exact', 'puma'])
  for (const [who, turn] of Object.entries(TURNS))
    test.serial(`kernels and patterns of values of ${who}, under suite ${suite}`, (t) => {
      configure({ suite });
      const wrong: string[] = [];
      const all = { ...cases, ...patterns };
      for (const [name, f] of Object.entries(all)) {
        for (const variant of [2, 4, 1]) {
          try {
            const off = compared(f, variant, turn, who !== 'a client' && COMPARING.includes(name));
            if (!(off < 1e-3)) wrong.push(`${name}, values ${variant}: off by ${off}`);
          } catch (error) {
            if ((error as { code?: string }).code === 'MASK_REFUSED') continue;
            wrong.push(`${name}, values ${variant}: ${(error as Error).message}`);
          }
        }
      }
      t.deepEqual(wrong, []);
    });
