import { StoredWords, scratch, type Words } from '@secformer/ring';
import { z } from 'zod';
import { bucketsOf, CHOICES, MOST_SALT } from '../instruction/buckets.js';
import { type DealContext, int, type PartyContext, primitive } from '../instruction/primitive.js';
import { check, type ShareType, shareType } from '../instruction/types.js';
import { dealProduct, finishProduct, productBits, twoModular } from './bilinear.js';

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

/**
 * Rows of a secret table in buckets: each row has CHOICES public buckets, by the session's salt, and a secret matrix of
 * zeros and ones [rows, CHOICES] says in which of them it is wanted.
 * A product whose left factor is sparse with a public pattern, so a batch of lookups costs CHOICES multiply-adds an
 * element of the table instead of one for each index;
 * which bucket an index finds its row in is for a product with a small one-hot matrix afterwards.
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
    const [x, y] = twoModular(ins);
    const [rows, n] = y.shape as [number, number];
    const fits = y.shape.length === 2 && x.shape.join() === [rows, CHOICES].join() && x.fracBits === 0;
    check(fits && n > 0, () => `bucketSums of [${x.shape}] and a table [${y.shape}]`);
    return shareType([a.buckets, n], y.fracBits, productBits(x, y), a.magnitude);
  },
  differences: 'always',
  material: (_ins, a, out) => [{ count: a.buckets * out.shape[1]!, bits: (out as ShareType).bits }],
  deal: (c) => dealProduct(c, multiply(c)),
  finish: (c) => finishProduct(c, multiply(c)),
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
