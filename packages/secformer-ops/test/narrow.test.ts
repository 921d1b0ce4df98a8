import test from 'ava';
import { gelu } from '../src/index.js';
import { evaluate, uniform, worst } from './harness.js';

const [rows, n] = [6, 32];
const x = uniform(rows * n, -7, 7, 11);
const identity = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
const exact = (v: number) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

test('what goes into a matrix product is right modulo 2^48, its corrections no wider, the product right', async (t) => {
  const inputs = [
    { shape: [rows, n], values: x },
    { shape: [n, n], values: identity, magnitude: 1 },
  ];
  const { outputs, checked } = await evaluate(inputs, (e, [v, w]) => [e.matMul(gelu(e, v!, 'tanh'), w!)]);
  // As in elementwise.test, and a unit of the operand's truncation
  t.true(worst(outputs[0]!, (i) => exact(x[i]!)).max <= 4.6e-5 + 2 ** -15);
  const of = (op: string) => checked.program.instructions.filter((i) => i.op === op);
  t.true(of('bitMultiply').length === 2 && of('bitMultiply').every((i) => i.bits === 48));
  t.true(of('open').some((i) => i.share === 'lift'));
  for (const i of of('open')) t.true((i.share === 'source' ? 64 : 48) >= (i.bits as number), JSON.stringify(i));
});

test('what is revealed keeps all it has, and what is read twice serves the wider use', async (t) => {
  const both = await evaluate([{ shape: [rows, n], values: x }], (e, [v]) => {
    const y = gelu(e, v!, 'tanh');
    return [y, e.matMul(y, e.transpose(y, [1, 0]))];
  });
  const bits = both.checked.program.instructions.filter((i) => i.op === 'bitMultiply').map((i) => i.bits ?? 64);
  t.deepEqual(bits, [64, 64]);
  t.true(worst(both.outputs[0]!, (i) => exact(x[i]!)).max <= 4.6e-5 + 2 ** -16);
});
