import { StoredWords, scratch, type Words } from '@secformer/ring';
import { z } from 'zod';
import { bucketsOf, CHOICES, MOST_SALT } from '../instruction/buckets.js';
import { type DealContext, int, type PartyContext, primitive } from '../instruction/primitive.js';
import {
  check,
  describeAll,
  type OpenedType,
  type ShareType,
  shareType,
  type ValueType,
} from '../instruction/types.js';
import { dealProduct, finishProduct, productBits, twoModular } from './bilinear.js';
import { shareOf } from './operands.js';

interface Attributes {
  buckets: number;
  /** of the assignment of rows to buckets */
  salt: number;
  magnitude: number;
}

const multiply =
  ({ kernels, a, out }: DealContext<Attributes> | PartyContext<Attributes>) =>
  (x: Words, y: Words | StoredWords, bits: number): Words => {
    const [buckets, n] = out.shape as [number, number];
    const product = scratch(buckets * n);
    const targets = bucketsOf(x.length / CHOICES, buckets, a.salt);
    kernels.sparseMatMul(product, x, y instanceof StoredWords ? y.words : y, { rows: a.buckets, targets }, bits);
    return product;
  };

const isLocal = (ins: readonly ValueType[]) => ins[1]!.kind === 'public';

/** The masked zeros and ones of a table that is public. */
function maskedRows(ins: ValueType[]): OpenedType {
  const [x] = ins;
  const ok = ins.length === 2 && x?.kind === 'opened' && x.modular && x.bits > 0;
  check(ok, () => `bucketSums of ${describeAll(ins)}`);
  return x;
}

/**
 * Rows of a secret table in buckets: each row has CHOICES public buckets, by the session's salt, and a secret matrix of
 * zeros and ones [rows, CHOICES] says in which of them it is wanted.
 * A product whose left factor is sparse with a public pattern, so a batch of lookups costs CHOICES multiply-adds an
 * element of the table instead of one for each index;
 * which bucket an index finds its row in is for a product with a small one-hot matrix afterwards.
 *
 * Of a public table each party computes the sums of its own share of the matrix: no correction, and nothing is opened.
 *
 * Domain, cost (an element of the buckets), view and exactness as a matrix product's (see bilinear). Which rows and how
 * many are wanted nobody sees: all entries are under their owner's masks.
 * Source Ishai, Kushilevitz, Ostrovsky and Sahai 2004 (batch codes); Angel, Chen, Laine and Setty 2018 (probabilistic
 * ones, by cuckoo hashing).
 */
export const bucketSums = primitive<Attributes>({
  name: 'bucketSums',
  attributes: z.object({ buckets: int(CHOICES, 2 ** 24), salt: int(0, MOST_SALT), magnitude: int(-64, 63) }),
  infer(ins, a): ShareType {
    const y = ins[1]!;
    const x = y?.kind === 'public' ? maskedRows(ins) : twoModular(ins)[0];
    check(y?.kind === 'public' || y?.kind === 'opened', () => `bucketSums of ${describeAll(ins)}`);
    const [rows, n] = y.shape as [number, number];
    const fits = y.shape.length === 2 && x.shape.join() === [rows, CHOICES].join() && x.fracBits === 0;
    check(fits && n > 0, () => `bucketSums of [${x.shape}] and a table [${y.shape}]`);
    const bits = y.kind === 'public' ? Math.min(x.width, 63) : productBits(x, y);
    return shareType([a.buckets, n], y.fracBits, bits, a.magnitude);
  },
  differences: 'always',
  material: (ins, a, out) =>
    isLocal(ins) ? [] : [{ count: a.buckets * out.shape[1]!, bits: (out as ShareType).bits }],
  deal: (c) => (isLocal(c.types) ? { value: {} } : dealProduct(c, multiply(c))),
  finish(c) {
    if (!isLocal(c.types)) return finishProduct(c, multiply(c));
    const { known, words } = c.ins[1]!;
    return { share: multiply(c)(shareOf(c, 0), words ?? known!.words, (c.out as ShareType).bits) };
  },
  plain({ a, ins: [x, y], out }) {
    const [buckets, n] = out.shape as [number, number];
    const sums = new Float64Array(buckets * n);
    bucketsOf(x!.length / CHOICES, buckets, a.salt).forEach((bucket, at) => {
      const row = Math.floor(at / CHOICES) * n;
      for (let j = 0; j < n; j++) sums[bucket * n + j]! += x![at]! * y![row + j]!;
    });
    return sums;
  },
});
