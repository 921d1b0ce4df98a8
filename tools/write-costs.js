// Writes docs/costs.md from the declarations of the protocols: node tools/write-costs.js, or --check to fail where the
// file is out of date.

import { join } from 'node:path';
import {
  blockBytes,
  checkProgram,
  divide,
  Emitter,
  elementwise,
  exactSoftmax,
  functionOf,
  logSoftmax,
  maxWithIndex,
  normalise,
  oneHotOf,
  ProgramBuilder,
  primitives,
  probabilities,
  reciprocal,
  suites,
  topK,
  Watch,
} from '@secformer/secformer-ops';
import { writeOrCheck } from './write-or-check.js';

const file = join(import.meta.dirname, '../docs/costs.md');
const ELEMENTS = 4096;

/** Cost of a composition: rounds, and bytes an element. */
function costOf(shape, emit, inputs = 1) {
  const builder = new ProgramBuilder();
  const ids = Array.from({ length: inputs }, () =>
    builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 14 }),
  );
  const { cost } = checkProgram(builder.build([emit(new Emitter(builder), ...ids)].flat()));
  const n = shape.reduce((a, b) => a * b, 1);
  return { rounds: cost.rounds, online: cost.online / n, dealer: cost.dealer / n };
}

const number = (v) => (v === 0 ? '0' : v >= 100 ? v.toFixed(0) : v.toPrecision(3).replace(/\.?0+$/, ''));
const short = (v) =>
  v === 0
    ? '0'
    : Math.abs(v) >= 1e-3 && Math.abs(v) < 1e6
      ? String(Number(v.toPrecision(5)))
      : v.toExponential(1).replace(/e\+?/, '·10^');
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((r) => `| ${r.join(' | ')} |`).join('\n');
const row = (name, c) => [name, c.rounds, number(c.online), number(c.dealer)];

const errorText = ({ absolute, relative }) => {
  if (absolute === 0 && relative === undefined) return 'exact';
  const parts = [absolute > 0 && short(absolute), relative !== undefined && `${short(relative)} relative`].filter(
    Boolean,
  );
  return parts.join(' or ');
};

function elementwiseTable() {
  return table(
    ['operation', 'domain', 'largest error', 'rounds', 'bytes sent', 'dealer', 'beyond the domain'],
    Object.entries(elementwise).map(([op, p]) => {
      const c = costOf([ELEMENTS], (e, x) => p.emit(e, x, functionOf(op).parameters ?? {}));
      const [, ...cells] = row(op, c);
      return [op, p.domain.map(short).join(' to '), errorText(p.error), ...cells, p.beyond];
    }),
  );
}

const softmax = (suite) => (e, x) => {
  return probabilities(suite, e, x);
};

function suiteTable(emit, shapes) {
  return table(
    ['suite', ...shapes.flatMap((s) => [`[${s}] rounds`, 'bytes sent', 'dealer'])],
    Object.values(suites).map((suite) => [
      suite.name,
      ...shapes.flatMap((s) => row('', costOf(s, emit(suite))).slice(1)),
    ]),
  );
}

/** Rows of a table of 100, which is opened here as for the first time. */
function rowsOf(e, indices, bounds) {
  const table = e.emit('open', [e.constantShare(new Array(6400).fill(0), [100, 64], 16)], {
    shift: 0,
    width: 48,
    offsetLog: -1,
    share: 'modular',
    bits: 48,
  });
  return e.product(e.operand(oneHotOf(e, suites.exact, indices, 100, bounds), 32), table);
}

function otherTable() {
  const of = {
    'product of two tensors, truncated': costOf([ELEMENTS], (e, a, b) => e.truncated(e.mul(a, b)), 2),
    'quotient of two tensors, either sign': costOf(
      [ELEMENTS],
      (e, a, b) => e.truncated(e.mul(a, reciprocal(e, b, false))),
      2,
    ),
    'square, truncated': costOf([ELEMENTS], (e, x) => e.truncated(e.square(x))),
    'truncation alone': costOf([ELEMENTS], (e, x) => e.emit('unwrap', [e.lifted(x, 8)])),
    'matrix product [64, 64]·[64, 64], truncated': costOf([64, 64], (e, a, b) => e.truncated(e.matMul(a, b)), 2),
    'sum and running sum of rows': costOf([32, 128], (e, x) => e.cumSum(x, false, false)),
    'maximum of rows of 8': costOf([512, 8], (e, x) => maxWithIndex(e, x, false).max),
    'argMax of rows of 8': costOf([512, 8], (e, x) => maxWithIndex(e, x, true).index),
    'five largest of rows of 32': costOf([128, 32], (e, x) => topK(e, x, 5).values),
    'rows of a table [100, 64] by 64 secret indices, its opening included': costOf([ELEMENTS / 64], (e, x) =>
      rowsOf(e, x, [0, 99]),
    ),
    'the same by indices that may be outside': costOf([ELEMENTS / 64], (e, x) => rowsOf(e, x)),
    'softmax of rows of 128 in few rounds (`exact`)': costOf([32, 128], (e, x) =>
      normalise(e, exactSoftmax(e, x, true)),
    ),
    'log-softmax of rows of 128': costOf([32, 128], (e, x) => logSoftmax(e, x)),
  };
  return table(
    ['operation', 'rounds', 'bytes sent', 'dealer'],
    Object.entries(of).map(([name, c]) => row(name, c)),
  );
}

const opened = (width, more = {}) => ({
  kind: 'opened',
  shape: [ELEMENTS],
  fracBits: 16,
  width,
  offsetLog: width - 2,
  modular: false,
  lifted: true,
  bits: 64,
  magnitude: width - 18,
  ...more,
});
const modular = (width, shape = [ELEMENTS]) => ({
  kind: 'opened',
  shape,
  fracBits: 16,
  width,
  offsetLog: -1,
  modular: true,
  bits: width,
  magnitude: 14,
});
const share = (bits = 64, fracBits = 16) => ({ kind: 'share', shape: [ELEMENTS], fracBits, bits, magnitude: 14 });
const planes = (kind, n, more = {}) => ({ kind, shape: [ELEMENTS], planes: n, ...more });
const cosine = (n) => Array.from({ length: n }, () => [1, 0]);

/** Top bits of scores in groups, and the opened bits of all pairs of a group. */
const topBits = (group) => ({ ...modular(13, [ELEMENTS / group, group]), fracBits: 1, bits: 0, magnitude: 11 });
const member = { ...topBits(2), shape: [ELEMENTS / 2] };
const pairsOf = (group) =>
  Array.from({ length: group - 1 }, (_, i) => ({
    kind: 'openBits',
    shape: [ELEMENTS / group, group - 1 - i],
    planes: 1,
  }));

/** The bits of a mask of keys. */
const maskBits = { ...modular(1, [1]), fracBits: 0, bits: 0, magnitude: 0 };

/** Instructions with operands that a BERT gives them. */
const INSTRUCTIONS = [
  ['open', '32 bits, a lift to 64', [share(64, 32)], { shift: 16, width: 32, offsetLog: 30, share: 'lift', bits: 64 }],
  ['open', '48 bits, modular', [share()], { shift: 0, width: 48, offsetLog: -1, share: 'modular', bits: 48 }],
  ['extend', 'from 32 to 48 bits', [opened(32)], { width: 48 }],
  [
    'matMul',
    '[64, 64]·[64, 64] modulo 2^48',
    [modular(48, [64, 64]), modular(48, [64, 64])],
    { transposeA: false, transposeB: false, magnitude: 14 },
  ],
  [
    'bucketSums',
    '512 buckets of 8 columns modulo 2^32, an element of those',
    [{ ...modular(32, [1000, 6]), fracBits: 0, magnitude: 1 }, modular(48, [1000, 8])],
    { buckets: 512, salt: 0, magnitude: 14 },
  ],
  ['rotate', 'rows of 100 modulo 2^32', [{ ...modular(7), fracBits: 0, magnitude: 7 }], { depth: 100, bits: 32 }],
  ['mul', 'of two lifts', [opened(32), opened(32)], { magnitude: 14 }],
  ['mul', 'of two modular openings of 64 bits', [modular(64), modular(64)], { magnitude: 14 }],
  ['mulDrop', 'of two lifts, the last 10 bits', [opened(32), opened(32)], { shift: 10, magnitude: 14 }],
  ['square', 'of a lift', [opened(32)], { magnitude: 28 }],
  ['square', 'of a lift, what its wrap adds apart', [opened(32)], { magnitude: 28, apart: true }],
  ['maskedSquare', 'of a lift, a mask of keys', [opened(32), maskBits], { magnitude: 28 }],
  ['compare', 'window of 16 bits, one threshold', [opened(32)], { position: 12, window: 16, thresholds: ['0'] }],
  [
    'compare',
    'window of 16 bits in chunks of five, one threshold',
    [opened(32)],
    { position: 12, window: 16, thresholds: ['0'], chunk: 5 },
  ],
  ['compare', 'window of 32 bits, one threshold', [opened(32)], { position: 0, window: 32, thresholds: ['0'] }],
  [
    'compareTable',
    'window of 13 bits, four thresholds',
    [{ ...opened(29), offsetLog: -1 }],
    { position: 16, window: 13, thresholds: [16, 64, 256, 1024] },
  ],
  ['combine', 'three chunks, one threshold', [planes('chunks', 1, { chunks: 3 })], {}],
  ['combine', 'four chunks, one threshold', [planes('chunks', 1, { chunks: 4 })], {}],
  ['combine', 'eight chunks, one threshold', [planes('chunks', 1, { chunks: 8 })], {}],
  ['losses', 'groups of eight, modulo 2^3', pairsOf(8), { bits: 3 }],
  [
    'larger',
    'of two, by their bit',
    [member, member, { ...planes('openBits', 1), shape: member.shape }],
    { magnitude: 11 },
  ],
  ['winner', 'of four, by their bits', [topBits(4), ...pairsOf(4)], { magnitude: 11 }],
  ['winner', 'of eight, by their losses', [topBits(8), { ...topBits(8), fracBits: 0, width: 3 }], { magnitude: 11 }],
  ['outside', 'of three bits', [opened(32)], { position: 29, bits: 3, origin: '0', count: 4 }],
  ['outside', 'of four bits', [opened(32)], { position: 28, bits: 4, origin: '0', count: 8 }],
  ['digest', 'of one plane', [planes('bits', 1)], {}],
  ['openBits', 'one plane', [planes('bits', 1)], {}],
  ['bitValue', 'one plane modulo 2^64', [planes('openBits', 1)], { bits: 64 }],
  ['bitMultiply', 'one plane, a lift from 32 bits', [planes('openBits', 1), opened(32)], {}],
  ['quotient', 'by 2^16', [opened(32), planes('openBits', 1)], { shift: 16, tau: '0', magnitude: 14 }],
  [
    'trig',
    'eight harmonics modulo 2^40',
    [opened(32)],
    { period: 20, constantTerm: 0, coefficients: cosine(8), seriesBits: 18, bits: 40, magnitude: 3 },
  ],
  [
    'trigReal',
    'seven harmonics modulo 2^40',
    [opened(32)],
    { period: 28, constantTerm: 0, coefficients: cosine(7), seriesBits: 18, bits: 40, magnitude: 3 },
  ],
  [
    'octaveSeries',
    'five octaves of 1/v',
    [{ ...opened(29), offsetLog: -1 }, planes('openBits', 5)],
    { lo: 18, thresholds: [4], power: 2, factor: 1, constantTerm: 0, coefficients: cosine(9), fracBits: 54, bits: 58 },
  ],
  ['expNegative', 'one window', [opened(32), planes('openBits', 1)], { origin: 0, factor: 1, half: 20 }],
];

const [EXACT, FAST] = [suites.exact, suites.fast];
const unary = (op) => (e, x) => elementwise[op].emit(e, x, {});
const WINDOW = ['within ±2048', 'beyond ±4096'];

/** What is watched: where nothing is reported, where everything is. */
const WATCHED = [
  [
    'softmax, rows of 128',
    [32, 128],
    softmax(EXACT),
    'scores of a row less than 2048 apart',
    '2560 or more apart, below 12,800',
  ],
  [
    'logSoftmax, rows of 128',
    [32, 128],
    logSoftmax,
    'scores of a row less than 2048 apart',
    '2560 or more apart, below 13,824',
  ],
  [
    '2Quad, rows of 128 (`fast`)',
    [32, 128],
    softmax(FAST),
    's + 5 within ±2048, a sum from 2^-3 to 2^25',
    's + 5 beyond ±4096, any other sum',
  ],
  [
    'layerNorm, rows of H = 768',
    [128, 768],
    (e, x) => EXACT.layerNorm(e, x, 1e-12),
    'variance 0 to 6·10^-8, 8·10^-6 to 0.99·2^31/H²',
    '1.3·10^-7 to 7·10^-6, 2^31/H² to 2^32/H',
  ],
  ['gelu', [ELEMENTS], (e, x) => EXACT.gelu(e, x, 'erf'), ...WINDOW],
  ['erf, tanh, sigmoid, silu, softplus', [ELEMENTS], unary('tanh'), ...WINDOW],
  ['exp, expm1', [ELEMENTS], unary('exp'), 'x < 9.89', 'x ≥ 10.4'],
  ['log, log1p (of 1 + x)', [ELEMENTS], unary('log'), 'x ≥ 2^-16', 'x ≤ 0'],
  ['sqrt', [ELEMENTS], unary('sqrt'), 'x ≥ -2^-10', 'x < -2^-10'],
  ['rsqrt', [ELEMENTS], unary('rsqrt'), 'x ≥ 2^-12', 'x < 2^-12'],
  ['reciprocal, a divisor', [ELEMENTS], (e, x) => divide(e, x, x, false), '2^-12 and more in size', 'less'],
  [
    'other operands that are lifted: of products, comparisons, max',
    [ELEMENTS],
    (e, x) => elementwise.relu.emit(e, e.addConstant(x, 1), {}),
    '|x| < 2^14',
    '|x| from 1.5 to 2.5 times that',
  ],
];

/** What it costs to watch an operation: the difference. */
function watchedTable() {
  const rows = WATCHED.map(([name, shape, emit, within, beyond]) => {
    const own = costOf(shape, emit);
    const watched = costOf(shape, (e, x) => {
      e.watch = new Watch();
      const out = emit(e, x);
      return [out, ...e.watch.operations.map(([, bits]) => e.emit('digest', bits))];
    });
    return [
      name,
      within,
      beyond,
      watched.rounds - own.rounds,
      number(watched.online - own.online),
      number(watched.dealer - own.dealer),
    ];
  });
  return table(['operation', 'never reported', 'always reported', 'rounds more', 'bytes more', 'dealer more'], rows);
}

function instructionTable() {
  const rows = INSTRUCTIONS.map(([name, note, ins, attributes]) => {
    const p = primitives.get(name);
    const out = p.infer(ins, attributes);
    const sent = p.opens ? blockBytes(p.opens(ins, attributes, out)) : 0;
    const dealt = (p.material?.(ins, attributes, out) ?? []).reduce((s, b) => s + blockBytes(b), 0);
    return [`${name}, ${note}`, p.opens ? 1 : 0, number(sent / ELEMENTS), number(dealt / ELEMENTS)];
  });
  const local = [...primitives.keys()].filter((name) => !INSTRUCTIONS.some(([n]) => n === name));
  for (const name of local) {
    const p = primitives.get(name);
    if (p.opens || p.material) throw new Error(`${name} has a cost and no example here`);
  }
  return (
    `${table(['instruction', 'rounds', 'bytes sent', 'dealer'], rows)}\n\nLocal, without any cost: ` +
    `${local.join(', ')}.`
  );
}

const text = `# What each protocol costs

Written by \`node tools/write-costs.js\` from the declarations that the nodes themselves run by: the frames of a round
have exactly the declared length, and tests compare the declarations with the traffic byte for byte. Bytes are payload:
what each party sends, and what the dealer sends, both for one element of the operand in the default range (16
fractional bits, |v| < 2^14). Double "bytes sent" for what one party sends and receives. A narrower claimed range makes
openings narrower. Rounds and bytes of whole models, students of private inference too, are in
[performance.md](performance.md), and what a dealer, a lift or a plane is, in [protocols.md](protocols.md).

## Functions of one value, suites' own GeLU apart

${elementwiseTable()}

## Other operations

${otherTable()}

## GeLU

${suiteTable((suite) => (e, x) => suite.gelu(e, x, 'erf'), [[ELEMENTS]])}

## Softmax of rows of 128 and 512, the division included

${suiteTable(softmax, [
  [32, 128],
  [8, 512],
])}

## LayerNorm of rows of 768

${suiteTable((suite) => (e, x) => suite.layerNorm(e, x, 1e-12), [[128, 768]])}

## Values that leave their domain

Unless \`configure({ onRange: 'ignore' })\` says otherwise, these operations have a digest of 40 bits each, which goes
to the client beside the results and to nobody else: it is zero where no element has left the domain, and else not, but
once in 2^40. A read then rejects with RANGE_LEFT and names the operation. Between the two bounds an element is
reported or right, but for a few: from ±4091 on GeLU and its kind may be wrong and reported 499 times of 500 only, and
a LayerNorm of a variance below 10^-7 gives 0. All suites have the elementwise functions, \`exact\` also the softmax,
GeLU and LayerNorm below, \`fast\` the 2Quad; the other suites' own approximations have no digest but of what they lift
outside their iterations. Not reported: a product of matrices beyond 2^15, a quotient or product beyond 2^14 that
nothing is computed from, values beyond 2.5 times the range, scores of a row further apart than 12,800
(of its logarithm 13,824), a variance beyond 2^32/H.

${watchedTable()}

## Instructions

What the above are composed of (\`packages/secformer-ops/src/protocols\`), with operands that a BERT gives them; bytes
for one element of the operand.

${instructionTable()}
`;

writeOrCheck(file, text);
