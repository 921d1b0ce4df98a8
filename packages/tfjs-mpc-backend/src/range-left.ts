import { SecformerError } from '@secformer/ring';
import type { Watched } from '@secformer/secformer-ops';
import type { OnRange } from './config.js';

/** Operations that a message names. */
const NAMED = 3;

const rows = 'scores of a row less than 2048 apart';
const window = 'values below 2048 in size';
const power = 'values below 128, of scores of attention in size';
const divisor = 'divisors of 2^-12 and more in size';

/** What the protocols hold, of operations that hold less than values below 16,384 in size. */
const HOLDS: Readonly<Record<string, string>> = {
  softmax: rows,
  logSoftmax: rows,
  quad: window,
  gelu: window,
  erf: window,
  tanh: window,
  sigmoid: window,
  silu: window,
  softplus: window,
  relu: 'values below 16,384, and scores of attention below 128, in size',
  relu2: power,
  relu4: power,
  exp: 'exponents below 9.8',
  expm1: 'exponents below 9.8',
  log: 'numbers from 2^-16',
  log1p: 'numbers from 2^-16 above -1',
  sqrt: 'numbers from 0',
  rsqrt: 'numbers from 2^-12',
  reciprocal: divisor,
  div: divisor,
  layerNorm: 'rows of n values with a variance from 10^-5 to 2^31/n²',
};

const describe = ({ op, shape, node }: Watched) =>
  `${op} of shape [${shape}] (operation ${node} of the program; it holds ` +
  `${HOLDS[op] ?? 'values below 16,384 in size'})`;

/**
 * What becomes of a read of which some operations' values have left the range of their protocol.
 * @returns the error RANGE_LEFT, where it is to be thrown
 */
export function rangeLeft(left: readonly Watched[], onRange: OnRange = 'throw'): SecformerError | undefined {
  if (left.length === 0 || onRange === 'ignore') return undefined;
  const more = left.length > NAMED ? `, and ${left.length - NAMED} more` : '';
  const text =
    `values have left the range that a protocol holds, and what was read is wrong: ` +
    `${left.slice(0, NAMED).map(describe).join(', ')}${more}; ` +
    "scale or clip what goes into it, or configure({ onRange: 'warn' }) where it does not matter";
  if (onRange === 'throw') return new SecformerError('RANGE_LEFT', text);
  console.warn(`secformer: ${text}`);
  return undefined;
}
