import { Arena, RunStreams, Secret } from '@secformer/ring';
import test from 'ava';
import {
  checkProgram,
  Emitter,
  gelu,
  type Program,
  ProgramBuilder,
  ProgramError,
  releaseOutputs,
  runParty,
} from '../src/index.js';
import { kernels } from './harness.js';

function sample(): Program {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [4, 8], fracBits: 16, bits: 64, magnitude: 14 });
  const w = builder.input({ kind: 'share', shape: [8, 3], fracBits: 16, bits: 64, magnitude: 14 });
  return builder.build([gelu(e, e.matMul(x, w))]);
}

/** A program's JSON, to be damaged field by field. */
type Loose = Record<string, Record<string, unknown>[] & Record<string, Record<string, unknown>>> & {
  outputs: unknown;
  version: unknown;
};

const refused = (change: (p: Loose) => void): string => {
  const p = JSON.parse(JSON.stringify(sample()));
  change(p);
  try {
    checkProgram(p);
  } catch (error) {
    if (error instanceof ProgramError) return error.message;
    throw error;
  }
  return '';
};

test('a planned program passes its own check after a journey as JSON', (t) => {
  t.notThrows(() => checkProgram(JSON.parse(JSON.stringify(sample()))));
});

test('ranges, moduli and scales that do not fit are refused with the instruction’s number', (t) => {
  const open = sample().instructions.findIndex((i) => i.op === 'open' && i.share === 'lift');
  t.regex(
    refused((p) => {
      p.instructions[open].width = 20;
    }),
    new RegExp(`instruction ${open} .*do not fit|instruction ${open}`),
  );
  t.regex(
    refused((p) => {
      p.instructions[open].shift = 40;
    }),
    /open keeps|fit/,
  );
  t.regex(
    refused((p) => {
      p.inputs[0].magnitude = 50;
    }),
    /needs 67 bits/,
  );
  t.regex(
    refused((p) => {
      p.inputs[0].fracBits = 40;
    }),
    /fractional bits|fit|bits/,
  );
  const series = sample().instructions.findIndex((i) => i.op === 'trig');
  t.regex(
    refused((p) => {
      (p.instructions[series].coefficients as number[][])[0] = [2 ** 13, 1];
    }),
    new RegExp(`instruction ${series} .*an amplitude beyond 8191\\.9\\d*, the most at 18 bits`),
  );
});

test('hostile programs are refused before anything is allocated', (t) => {
  t.regex(
    refused((p) => {
      p.instructions[0].op = 'reveal';
    }),
    /no instruction 'reveal'/,
  );
  t.regex(
    refused((p) => {
      p.instructions[0].in = [99999];
    }),
    /not computed yet/,
  );
  t.regex(
    refused((p) => {
      p.inputs[0].shape = [2 ** 20, 2 ** 20];
    }),
    /limit/,
  );
  t.regex(
    refused((p) => {
      p.outputs = [0, 5000];
    }),
    /does not exist/,
  );
  t.regex(
    refused((p) => {
      p.version = 2;
    }),
    /version/,
  );
  t.regex(
    refused((p) => {
      p.instructions.reverse();
    }),
    /instruction/,
  );
  t.throws(() => checkProgram('x'), { instanceOf: ProgramError });
  t.throws(() => checkProgram({ version: 1 }), { instanceOf: ProgramError });
});

test('only shares are revealed', (t) => {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [4], fracBits: 16, bits: 64, magnitude: 14 });
  const opened = e.factor(x);
  t.throws(() => checkProgram(builder.build([opened])), {
    instanceOf: ProgramError,
    message: /only shares are revealed/,
  });
});

test('equal instructions are emitted once, so one opening serves all its users', (t) => {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [8, 8], fracBits: 16, bits: 64, magnitude: 14 });
  const out = e.add(e.matMul(x, x), e.matMul(x, e.transpose(x, [1, 0])));
  const opens = builder.build([out]).instructions.filter((i) => i.op === 'open');
  t.is(opens.length, 1);
});

test('a run gives the memory of its outputs back, and not that of what is kept', async (t) => {
  const n = 1024;
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [n], fracBits: 16, bits: 64, magnitude: 10 });
  const [revealed, kept, both] = [e.add(x, x), e.addConstant(x, 3), e.addConstant(x, 5)];
  const checked = checkProgram(builder.build([revealed, both], [kept, both]));
  const arena = new Arena(2 ** 20);
  const streams = new RunStreams(kernels, new Secret(new Uint8Array(32)));
  const values = await runParty({
    kernels,
    role: 0,
    checked,
    arena,
    streams,
    inputs: [{ share: new BigUint64Array(n) }],
    exchange: async (_r, mine) => mine,
  });
  const bufferOf = (v: number) => values[v]!.share!.buffer;
  releaseOutputs(arena, checked, values);
  const next = Array.from({ length: 4 }, () => arena.borrow(8 * n).buffer);
  t.true(next.includes(bufferOf(revealed)));
  t.false(next.includes(bufferOf(kept)) || next.includes(bufferOf(both)));
});
