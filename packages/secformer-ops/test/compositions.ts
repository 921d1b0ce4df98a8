import {
  attend,
  divide,
  type Emitter,
  elementwise,
  exactSoftmax,
  functionOf,
  gelu,
  layerNorm,
  logSoftmax,
  maxWithIndex,
  normalise,
  OPERAND_FORMATS,
  ofSmall,
  oneHotOf,
  prelu,
  probabilities,
  quadSoftmax,
  reciprocal,
  reluPower,
  suites,
  timesInverse,
  topK,
  Watch,
} from '../src/index.js';

/** The same with operands of 13 fractional bits. */
const coarse =
  (compose: (e: Emitter, x: number) => number) =>
  (e: Emitter, x: number): number => {
    e.format = OPERAND_FORMATS[13];
    return compose(e, x);
  };

/** A mask that leaves all keys but the last, as a share, and one of the lower triangle. */
const firstOf = (e: Emitter, x: number): number => {
  const n = e.type(x).shape.at(-1)!;
  return e.constantShare(
    Array.from({ length: n }, (_, i) => (i < n - 1 ? 1 : 0)),
    [n],
    0,
  );
};
const lower = (e: Emitter, x: number): number => {
  const [rows, n] = e.type(x).shape.slice(-2) as [number, number];
  const ones = Array.from({ length: rows * n }, (_, i) => (i % n <= Math.floor(i / n) ? 1 : 0));
  return e.constantShare(ones, [rows, n], 16);
};
const maskedSquareOf = (e: Emitter, x: number): number => {
  const how = { shift: 0, offsetLog: -1 };
  const opened = e.emit('open', [x], { ...how, width: 64, share: 'modular', bits: 64 });
  const bits = e.emit('open', [firstOf(e, x)], { ...how, width: 1, share: 'none', bits: 0, within: [0, 1] });
  return e.emit('maskedSquare', [opened, bits], { magnitude: 28 });
};

/** Everything that is composed of instructions. */
export const compositions: Record<string, (e: Emitter, x: number) => number> = {
  ...Object.fromEntries(
    Object.entries(elementwise).map(([op, p]) => [
      op,
      (e: Emitter, x: number) => p.emit(e, x, functionOf(op)!.parameters ?? {}),
    ]),
  ),
  ...Object.fromEntries(
    Object.values(suites).flatMap((suite) => [
      [`${suite.name} gelu`, (e: Emitter, x: number) => suite.gelu(e, x, 'erf')],
      [`${suite.name} gelu, tanh form`, (e: Emitter, x: number) => suite.gelu(e, x, 'tanh')],
      [`${suite.name} layerNorm`, (e: Emitter, x: number) => suite.layerNorm(e, x, 1e-5)],
      [
        `${suite.name} softmax`,
        (e: Emitter, x: number) => {
          return probabilities(suite, e, x);
        },
      ],
    ]),
  ),
  'layerNorm of centred rows': (e, x) => layerNorm(e, x, 1e-5, true),
  'layerNorm before a public tensor': (e, x) => layerNorm(e, x, 1e-5, true, true),
  'attention before a public tensor': (e, x) => attend(e, exactSoftmax(e, x, true, true), x, true),
  '2Quad with a mask of keys': (e, x) => attend(e, quadSoftmax(e, x, 5, firstOf(e, x)), x, true),
  '2Quad with a mask of its own, before a public tensor': (e, x) =>
    attend(e, quadSoftmax(e, x, 5, lower(e, x), true), x, true),
  'masked squares of a modular opening': (e, x) => e.truncated(maskedSquareOf(e, x)),
  '2Quad before a public tensor': (e, x) => attend(e, quadSoftmax(e, x, 5, undefined, true), x, true),
  'exact softmax in few rounds': (e, x) => normalise(e, exactSoftmax(e, x, true)),
  product: (e, x) => e.truncated(e.matMul(x, x, false, true)),
  'operand of a norm': (e, x) => e.emit('unwrap', [e.operand(layerNorm(e, x, 1e-5, true))]),
  'operand of a context': (e, x) => e.emit('unwrap', [e.operand(attend(e, exactSoftmax(e, x), x, true))]),
  'scores above 0': (e, x) => reluPower(e, x, 1, 1, true),
  'square of scores above 0': (e, x) => reluPower(e, x, 2, 1, true),
  'fourth power of scores above 0': (e, x) => reluPower(e, x, 4, 1, true),
  'product of 13 bits': coarse((e, x) => e.truncated(e.matMul(x, x, false, true))),
  'gelu of 13 bits': coarse((e, x) => gelu(e, x)),
  'attention of 13 bits': coarse((e, x) => attend(e, exactSoftmax(e, x), x, true)),
  'elementwise product': (e, x) => e.truncated(e.mul(x, e.addConstant(x, 1))),
  square: (e, x) => e.truncated(e.square(x)),
  'reciprocal of either sign': (e, x) => reciprocal(e, x, false),
  'root of small squares': (e, x) => ofSmall(e, 'rsqrt', { v: e.square(x), factor: 1, plus: 1e-5, least: 0 }),
  'logarithm with an ε': (e, x) => ofSmall(e, 'log', { v: x, factor: 1, plus: 1e-7, least: 0 }),
  'quotient by a small value': (e, x) =>
    timesInverse(e, x, ofSmall(e, 'reciprocal', { v: x, factor: 1, plus: 0, least: 1e-12 })),
  prelu: (e, x) => prelu(e, x, x),
  cumSum: (e, x) => e.cumSum(x, true, true),
  logSoftmax,
  max: (e, x) => maxWithIndex(e, x, false).max,
  argMax: (e, x) => maxWithIndex(e, x, true).index!,
  'topK values': (e, x) => topK(e, x, 3).values,
  'topK indices': (e, x) => topK(e, x, 1).indices,
  'one-hot rows of the largest': (e, x) => oneHotOf(e, suites.exact!, maxWithIndex(e, x, true).index!, 13, [0, 12]),
  'one-hot rows of any whole number': (e, x) =>
    oneHotOf(e, suites.exact!, elementwise.round.emit(e, x, {}), 5, undefined),
};

/** An operation with the digest of where it leaves its domain. */
const watched =
  (compose: (e: Emitter, x: number) => number) =>
  (e: Emitter, x: number): number[] => {
    e.watch = new Watch();
    const out = compose(e, x);
    return [out, ...e.watch.operations.map(([, bits]) => e.emit('digest', bits))];
  };

/** The same of what is watched: every way in which it is. */
export const watchedCompositions: Record<string, (e: Emitter, x: number) => number[]> = Object.fromEntries(
  Object.entries({
    softmax: (e: Emitter, x: number) => normalise(e, exactSoftmax(e, x)),
    'softmax in few rounds': (e: Emitter, x: number) => normalise(e, exactSoftmax(e, x, true)),
    quad: (e: Emitter, x: number) => normalise(e, quadSoftmax(e, x, 5)),
    gelu: (e: Emitter, x: number) => gelu(e, x),
    layerNorm: (e: Emitter, x: number) => layerNorm(e, x, 1e-5),
    'layerNorm of centred rows': (e: Emitter, x: number) => layerNorm(e, x, 1e-5, true),
    exp: compositions.exp!,
    log: compositions.log!,
    division: (e: Emitter, x: number) => divide(e, x, x, false),
    product: (e: Emitter, x: number) => e.truncated(e.matMul(e.truncated(e.mul(x, x)), x, false, true)),
  }).map(([name, compose]) => [`${name}, watched`, watched(compose)]),
);
