import { deriveRunKey, loadKernels, Purpose, RunStreams, Secret, StreamReuseError, type Words } from '@secformer/ring';
import test from 'ava';
import {
  attend,
  checkProgram,
  Emitter,
  elementwise,
  exactSoftmax,
  gelu,
  layerNorm,
  normalise,
  OPERAND_FORMATS,
  oneHotOf,
  ProgramBuilder,
  quadSoftmax,
  relu,
  reluPower,
  reshareOutput,
  runParty,
  runTogether,
  suiteOf,
  topK,
} from '../src/index.js';
import { primitives } from '../src/protocols/index.js';
import { watchedCompositions } from './compositions.js';
import { evaluate, uniform } from './harness.js';

const kernels = await loadKernels();

/**
 * Upper 1e-6 quantile of chi-square with 255 degrees of freedom (Wilson–Hilferty): one false alarm in a million tests.
 */
const BAR = 255 * (1 - 2 / (9 * 255) + 4.7534 * Math.sqrt(2 / (9 * 255))) ** 3;

function histogram(frames: Uint8Array[]): { counts: Float64Array; total: number } {
  const counts = new Float64Array(256);
  let total = 0;
  for (const f of frames) {
    for (const b of f) counts[b] = counts[b]! + 1;
    total += f.length;
  }
  return { counts, total };
}

/** Chi-square of the bytes against uniform. */
function chiSquare(frames: Uint8Array[]): number {
  const { counts, total } = histogram(frames);
  const want = total / 256;
  return counts.reduce((s, c) => s + (c - want) ** 2 / want, 0);
}

/** Chi-square of two samples against each other. */
function chiSquareOfTwo(a: Uint8Array[], b: Uint8Array[]): number {
  const [x, y] = [histogram(a), histogram(b)];
  const [p, q] = [Math.sqrt(y.total / x.total), Math.sqrt(x.total / y.total)];
  return x.counts.reduce((s, c, i) => {
    const both = c + y.counts[i]!;
    return both === 0 ? s : s + (p * c - q * y.counts[i]!) ** 2 / both;
  }, 0);
}

type Outputs = (e: Emitter, inputs: number[]) => number[];
const layers: Outputs = (e, [x]) => [
  gelu(e, x!),
  normalise(e, exactSoftmax(e, x!)),
  normalise(e, exactSoftmax(e, x!, true)),
  layerNorm(e, x!, 1e-12),
  relu(e, e.matMul(x!, x!, false, true)),
  e.emit('unwrap', [e.operand(layerNorm(e, x!, 1e-12, true))]),
  e.emit('unwrap', [e.operand(attend(e, exactSoftmax(e, x!), x!, true))]),
];
const ofFewerBits: Outputs = (e, inputs) => {
  e.format = OPERAND_FORMATS[13];
  return layers(e, inputs);
};
const others: Outputs = (e, [x]) => [
  elementwise.exp.emit(e, x!, {}),
  elementwise.round.emit(e, x!, {}),
  suiteOf('secformer').gelu(e, x!, 'erf'),
  reluPower(e, x!, 4),
  reluPower(e, x!, 2, 1, true),
  reluPower(e, x!, 1, 1, true),
  topK(e, e.slice(x!, [0, 0], [64, 8]), 2).indices,
  oneHotOf(e, suiteOf('exact'), elementwise.round.emit(e, x!, {}), 200, undefined),
];
const beforePublic: Outputs = (e, [x]) => [
  layerNorm(e, x!, 1e-5, true, true),
  attend(e, exactSoftmax(e, x!, true, true), x!, false),
  attend(e, quadSoftmax(e, x!, 5, undefined, true), x!, false),
];
/** A mask that some of the scores themselves are: whatever it is, its bits are opened under masks. */
const masked: Outputs = (e, [x]) => {
  const bits = e.truncated(elementwise.less.emit(e, x!, { than: 0 }), 0);
  return [attend(e, quadSoftmax(e, x!, 5, bits), x!, false)];
};
const watched: Outputs = (e, [x]) => Object.values(watchedCompositions).flatMap((compose) => compose(e, x!));
const extremes = [
  { shape: [64, 64], values: new Float32Array(4096) },
  { shape: [64, 64], values: uniform(4096, -100, 100, 3) },
];

/**
 * The words of all openings of 8-bit multiples, so that bytes are whole; packed bits of other widths mix neighbours and
 * stay uniform as well.
 */
async function views(program: Outputs): Promise<Record<'p0' | 'p1' | 'material', Uint8Array[]>[]> {
  const out = [];
  for (const input of extremes) out.push((await evaluate([input], program)).run.received);
  return out;
}

for (const [name, program] of Object.entries({ layers, ofFewerBits, others, beforePublic, masked, watched }))
  test(`what each party receives is uniform, and the same for a constant input and a wild one: ${name}`, async (t) => {
    const [a, b] = (await views(program)) as [
      Awaited<ReturnType<typeof views>>[0],
      Awaited<ReturnType<typeof views>>[0],
    ];
    for (const who of ['p0', 'p1', 'material'] as const) {
      t.true(chiSquare(a[who]) < BAR, `${who}, constant input: ${chiSquare(a[who])}`);
      t.true(chiSquare(b[who]) < BAR, `${who}, wild input: ${chiSquare(b[who])}`);
      t.true(chiSquareOfTwo(a[who], b[who]) < BAR, `${who}, the two against each other`);
    }
  });

test.serial('the same test fails where masking is switched off', async (t) => {
  // For this test alone every mask is drawn as zeros, at the parties and at the dealer
  const original = RunStreams.prototype.claim;
  RunStreams.prototype.claim = function (purpose, instruction, slot) {
    const stream = original.call(this, purpose, instruction, slot);
    if (purpose === Purpose.mask) {
      stream.bytes = (out) => out.fill(0);
      stream.words = (n, _bits, out = new BigUint64Array(n)) => out.fill(0n);
    }
    return stream;
  };
  try {
    const [a, b] = (await views(layers)) as [
      Awaited<ReturnType<typeof views>>[0],
      Awaited<ReturnType<typeof views>>[0],
    ];
    // Most frames are still under the streams of corrections; those of what was lifted before are not
    const worst = (of: (frame: number) => number) => Math.max(...a.p0.map((f, i) => (f.length < 200 ? 0 : of(i))));
    t.true(worst((i) => chiSquare([a.p0[i]!])) > BAR, 'unmasked openings of zeros look uniform');
    t.true(
      worst((i) => chiSquareOfTwo([a.p0[i]!], [b.p0[i]!])) > BAR,
      'unmasked openings of different inputs look alike',
    );
  } finally {
    RunStreams.prototype.claim = original;
  }
});

test('moving a secret and its mask together leaves an opening unchanged', (t) => {
  // Exactly, and not only in distribution: (x, r) and (x + d, r − d) give the same m
  const n = 500;
  const draw = (seed: number) => {
    const out = new BigUint64Array(n);
    kernels.chacha20(new Uint8Array(32).fill(seed), new Uint8Array(out.buffer));
    return out;
  };
  const [x, r, d] = [draw(1), draw(2), draw(3)];
  const opening = (value: Words, mask: Words) => {
    const out = new BigUint64Array(n);
    kernels.maskForOpening(out, value, mask, { offset: 0n, bits: 64, shift: 0, width: 48 });
    return out;
  };
  const [moved, mask] = [new BigUint64Array(n), new BigUint64Array(n)];
  kernels.add(moved, x, d);
  kernels.sub(mask, r, d);
  t.deepEqual(opening(moved, mask), opening(x, r));
});

test('the dealer with the client: a ReLU that gives 0 gives away no more, because outputs are re-shared', async (t) => {
  const n = 4096;
  const values = uniform(n, -100, -0.1, 4);
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [n], fracBits: 16, bits: 64, magnitude: 14 });
  const checked = checkProgram(builder.build([relu(e, x)]));
  const words = new BigUint64Array(n);
  kernels.encode(words, values, 16);
  const run = await runTogether(kernels, checked, [words]);
  const out = checked.program.outputs[0]!;
  t.true(run.reveal(out).every((v) => v === 0n));
  const key = () =>
    new RunStreams(kernels, deriveRunKey(new Secret(crypto.getRandomValues(new Uint8Array(32))), new Uint8Array(16)));
  const seed = new Secret(crypto.getRandomValues(new Uint8Array(32)));
  const pair = () => new RunStreams(kernels, deriveRunKey(seed, new Uint8Array(16)));
  const shares = run.shares(out);
  const sent = [0, 1].map((role) => reshareOutput(kernels, role as 0 | 1, shares[role]!, 64, pair(), 0));
  // The dealer can regenerate every stream but the parties' own; that one makes each share uniform and fresh
  for (const s of sent) t.true(chiSquare([s]) < BAR);
  const again = reshareOutput(kernels, 0, shares[0], 64, key(), 0);
  t.notDeepEqual(again, sent[0]);
  t.true(chiSquareOfTwo([again], [sent[0]!]) < BAR);
  // They still add up to the output
  const [a, b] = sent.map((s) => new BigUint64Array(s.buffer)) as [Words, Words];
  kernels.add(a, a, b);
  t.true(a.every((v) => v === 0n));
});

test('a party cannot be made to run a program twice on the same streams', async (t) => {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [4], fracBits: 16, bits: 64, magnitude: 14 });
  const checked = checkProgram(builder.build([relu(e, x)]));
  const streams = new RunStreams(kernels, new Secret(new Uint8Array(32)));
  const run = () =>
    runParty({
      kernels,
      role: 0,
      checked,
      inputs: [{ share: new BigUint64Array(4) }],
      streams,
      exchange: async (_r, mine) => mine,
    });
  await run();
  await t.throwsAsync(run, { instanceOf: StreamReuseError });
});

/** The inverse of an odd word modulo 2^64: Newton's step doubles the right bits. */
function inverse(a: bigint): bigint {
  let x = a;
  for (let i = 0; i < 6; i++) x = BigInt.asUintN(64, x * (2n - a * x));
  return x;
}

/**
 * What the dealer and a client can do together with P1's share of ReLU(x) = x − [x < 0]·x: where c = 1 the share is
 * M·⟦β⟧ − ⟦βr⟧ + 2^32(1 − msb m)·⟦β·msb r⟧ with corrections that the dealer sent, so an odd ⟦β⟧ gives the opening m,
 * and with the dealer's r the input.
 */
function attack(share: Words, [b, br, bh]: [Words, Words, Words]): (bigint | undefined)[] {
  const offset = 1n << 30n;
  return Array.from(share, (out, i) => {
    if ((b[i]! & 1n) === 0n) return undefined;
    for (const top of [0n, 1n]) {
      const wrap = top === 0n ? bh[i]! << 32n : 0n;
      const m = BigInt.asUintN(64, (out + br[i]! - wrap) * inverse(b[i]!) + offset);
      // A wrong guess is below 2^32 once in four billion
      if (m < 1n << 32n && m >> 31n === top) return m;
    }
    return undefined;
  });
}

test('the dealer and the client recover inputs from shares not re-shared, and none from those that were', async (t) => {
  const n = 1024;
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [n], fracBits: 16, bits: 64, magnitude: 14 });
  const checked = checkProgram(builder.build([relu(e, x)]));
  const words = new BigUint64Array(n);
  kernels.encode(words, uniform(n, -100, -0.1, 6), 16);
  const run = await runTogether(kernels, checked, [words]);
  const out = checked.program.outputs[0]!;
  t.true(run.reveal(out).every((v) => v === 0n));
  const unpack = (bytes: Uint8Array, bits: number) => {
    const to = new BigUint64Array(n);
    kernels.unpack(to, bytes, bits);
    return to;
  };
  // The last three corrections are those of the selection; the first round is the opening of x
  const corrections = run.received.material.slice(-3).map((bytes, i) => unpack(bytes, [64, 64, 32][i]!)) as [
    Words,
    Words,
    Words,
  ];
  const m = unpack(run.received.p0[0]!, 32);
  kernels.add(m, m, unpack(run.received.p1[0]!, 32));
  kernels.affine(m, m, 1n, 0n, 32);
  const recovered = (share: Words) => attack(share, corrections).filter((v, i) => v === m[i]).length;
  const [, raw] = run.shares(out);
  t.true(recovered(raw) > n / 8, `only ${recovered(raw)} of ${n} from shares as they were computed`);
  const pair = new RunStreams(kernels, new Secret(crypto.getRandomValues(new Uint8Array(32))));
  const sent = unpack(reshareOutput(kernels, 1, raw, 64, pair, 0), 64);
  t.is(recovered(sent), 0);
});

test.serial('a run that is repeated after an abort draws no stream of the first attempt again', async (t) => {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [4], fracBits: 16, bits: 64, magnitude: 14 });
  const checked = checkProgram(builder.build([gelu(e, x)]));
  const seed = new Secret(new Uint8Array(32).fill(5));
  const drawn: string[] = [];
  const original = RunStreams.prototype.claim;
  RunStreams.prototype.claim = function (purpose, instruction, slot) {
    drawn.push(this.key(purpose, instruction, slot).bytes.join());
    return original.call(this, purpose, instruction, slot);
  };
  try {
    for (const [attempt, last] of [
      [1, 1],
      [2, 99],
    ] as const) {
      // The same nodes, the same seed; the run id is new because all three nodes put a fresh nonce into it
      const streams = new RunStreams(kernels, deriveRunKey(seed, new Uint8Array(16).fill(attempt)));
      const exchange = async (round: number, mine: Uint8Array) => {
        if (round >= last) throw new Error('aborted');
        return mine;
      };
      await runParty({
        kernels,
        role: 0,
        checked,
        inputs: [{ share: new BigUint64Array(4) }],
        streams,
        exchange,
      }).catch(() => {});
    }
  } finally {
    RunStreams.prototype.claim = original;
  }
  t.true(drawn.length > 20);
  t.is(new Set(drawn).size, drawn.length);
});

test('every primitive that sends something declares the mask that hides it', (t) => {
  for (const [name, p] of primitives) {
    if (p.opens) t.truthy(p.masks, `${name} opens without a mask`);
  }
});
