import { readFileSync } from 'node:fs';
import test from 'ava';
import {
  type CheckedProgram,
  checkProgram,
  type OpenedType,
  type Program,
  type ProgramInput,
  plan,
  programLimits,
  readProgram,
  suites,
  writtenTensor,
} from '../src/index.js';
import { bertGraph } from './bert-graph.js';

const share = (shape: number[] = [1], bits = 64): ProgramInput => ({
  kind: 'share',
  shape,
  fracBits: 16,
  bits,
  magnitude: 14,
});
const opened = (shape: number[] = [1]): ProgramInput => ({
  kind: 'opened',
  shape,
  fracBits: 16,
  bits: 64,
  magnitude: 14,
  width: 64,
});

const program = (
  inputs: ProgramInput[],
  instructions: Program['instructions'],
  more: Partial<Program> = {},
): Program => ({
  version: 1,
  inputs,
  constants: [],
  instructions,
  outputs: [],
  keeps: [],
  ...more,
});

function textOf(inputs: ProgramInput[], instructions: string[], constants = '[]'): Uint8Array {
  const values = `"inputs":${JSON.stringify(inputs)},"constants":${constants}`;
  return new TextEncoder().encode(`{"version":1,${values},"instructions":[${instructions}],"outputs":[],"keeps":[]}`);
}

const error = (check: () => unknown): string => {
  try {
    check();
    return '';
  } catch (e) {
    return (e as Error).message;
  }
};

const sum = { op: 'add', in: [0, 0], magnitude: 15 };
const modular = { shift: 0, width: 48, offsetLog: -1, share: 'modular', bits: 48 };
const lift = { shift: 0, width: 40, offsetLog: 38, share: 'lift', bits: 64 };

test('planes of one value are limited: a oneHot adds one each time', (t) => {
  const compare = { op: 'compare', in: [0], position: 0, window: 4, thresholds: Array(64).fill('0') };
  const bits = [compare, { op: 'combine', in: [1] }, { op: 'oneHot', in: [2] }];
  t.is(
    error(() => checkProgram(program([opened()], bits))),
    '',
  );
  t.regex(
    error(() => checkProgram(program([opened()], [...bits, { op: 'oneHot', in: [3] }]))),
    /instruction 3 .*oneHot makes 66 planes, the limit is 65/,
  );
});

test('outputs, what is kept, and their bytes are limited', (t) => {
  const many = (n: number) => Array<number>(n).fill(0);
  t.is(
    error(() =>
      checkProgram(program([share()], [], { outputs: many(programLimits.outputs), keeps: many(programLimits.keeps) })),
    ),
    '',
  );
  t.regex(
    error(() => checkProgram(program([share()], [], { outputs: many(programLimits.outputs + 1) }))),
    /outputs: 16385 of them; the limit is 16384/,
  );
  t.regex(
    error(() => checkProgram(program([share()], [], { keeps: many(programLimits.keeps + 1) }))),
    /keeps: 40001 of them; the limit is 40000/,
  );
  const large = share([2 ** 26]);
  t.is(checkProgram(program([large], [], { outputs: [0, 0] })).cost.outputBytes, 2 ** 30);
  t.regex(
    error(() => checkProgram(program([large], [], { outputs: [0, 0, 0] }))),
    /outputs of 1610612736 bytes; the limit is 1073741824/,
  );
});

test('work is limited, of an instruction and of all', (t) => {
  const product = { op: 'matMul', in: [0, 0], transposeA: false, transposeB: false, magnitude: 20 };
  const square = (n: number) => opened([n, n]);
  t.is(checkProgram(program([square(4096)], [product])).cost.work, 2 ** 36);
  t.regex(
    error(() => checkProgram(program([square(8192)], [product]))),
    /instruction 0 \(matMul\): takes 549755813888 multiply-adds; the limit is 274877906944/,
  );
  t.is(
    error(() => checkProgram(program([square(4096)], Array(256).fill(product)))),
    '',
  );
  t.regex(
    error(() => checkProgram(program([square(4096)], Array(257).fill(product)))),
    /the instructions take more than 17592186044416 multiply-adds/,
  );
});

test('names of operations are limited, for a result lists what each took', (t) => {
  const named = (n: number) => Array.from({ length: n }, (_, i) => ({ ...sum, tag: `layer ${i}` }));
  t.is(
    error(() => checkProgram(program([share()], named(256)))),
    '',
  );
  t.regex(
    error(() => checkProgram(program([share()], named(257)))),
    /more than 256 names of operations/,
  );
});

test('the text is measured and counted before anything is made of it', (t) => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const { values, lists, names, instructions } = programLimits;
  t.regex(
    error(() => readProgram(new Uint8Array(programLimits.bytes + 1))),
    /a program of 67108865 bytes; the limit is 67108864/,
  );
  t.regex(
    error(() => readProgram(bytes(','.repeat(values + 1)))),
    /a program of 8388609 values; the limit is 8388608/,
  );
  t.regex(
    error(() => readProgram(bytes('['.repeat(lists + 1)))),
    /a program of 2400001 lists; the limit is 2400000/,
  );
  t.regex(
    error(() => readProgram(bytes(':'.repeat(names + 1)))),
    /a program of 2400001 names; the limit is 2400000/,
  );
  t.regex(
    error(() => readProgram(bytes('{'.repeat(2 * instructions)))),
    /a program of 400000 objects; the limit is 285537/,
  );
  t.regex(
    error(() => readProgram(bytes('['))),
    /not JSON/,
  );
});

test('lists are no longer than their limit, whatever is in them', (t) => {
  const refused = (p: unknown) => error(() => checkProgram(p));
  const one = program([share()], [sum]);
  t.regex(
    refused({ ...one, instructions: [{ ...sum, in: Array(4097).fill('x') }] }),
    /instructions\.0\.in: 4097 of them; the limit is 4096/,
  );
  t.regex(
    refused({ ...one, instructions: [{ ...sum, thresholds: Array(65).fill('x') }] }),
    /instructions\.0\.thresholds: 65 of them; the limit is 64/,
  );
  t.regex(
    refused({ ...one, inputs: [{ ...share(), shape: Array(9).fill(1) }] }),
    /inputs\.0\.shape: 9 of them; the limit is 8/,
  );
  t.regex(refused({ ...one, constants: [{ fracBits: 0, values: [1, 'x'] }] }), /constants\.0\.values/);
  t.regex(refused({ ...one, instructions: [[]] }), /instructions\.0: expected an object/);
  t.regex(refused({ ...one, outputs: [0.5] }), /outputs/);
});

test('a message is a thousand characters at most and names eight operands', (t) => {
  const text = error(() => checkProgram(program([share()], [{ ...sum, in: Array(4096).fill(0) }])));
  t.regex(text, /needs two shares, got share .*and 4088 more/);
  t.true(text.length < 1000);
  const long = error(() =>
    checkProgram(
      program(
        [share()],
        [{ op: 'compare', in: [0], position: 0, window: 4, thresholds: Array(64).fill('not a number') }],
      ),
    ),
  );
  t.is(long.length, 1000);
});

test('only a lift can be extended: an opening of the operand itself has no shares of the wrap-around', (t) => {
  const extended = (open: Record<string, unknown>) =>
    error(() =>
      checkProgram(
        program(
          [share()],
          [
            { op: 'open', in: [0], ...open },
            { op: 'extend', in: [1], width: 48 },
          ],
        ),
      ),
    );
  t.is(extended(lift), '');
  t.regex(extended({ ...lift, share: 'source' }), /extend to 48 bits needs a lifted opening/);
  t.regex(extended({ ...lift, share: 'none', bits: 0 }), /extend to 48 bits needs a lifted opening/);
});

test('what stays is an opening that says so, not an instruction with that word', (t) => {
  const kept = (...instructions: Program['instructions']) =>
    error(() => checkProgram(program([share()], instructions, { keeps: [instructions.length] })));
  const stays = { op: 'open', in: [0], ...modular, share: 'kept' };
  t.is(kept(stays), '');
  t.regex(kept({ op: 'open', in: [0], ...modular }), /cannot be kept/);
  t.regex(
    kept(
      { op: 'open', in: [0], ...modular },
      { op: 'layout', in: [1], shape: [1], strides: [1], offset: 0, share: 'kept' },
    ),
    /cannot be kept/,
  );
  t.regex(kept(stays, { op: 'layout', in: [1], shape: [1, 1], strides: [1, 1], offset: 0 }), /cannot be kept/);
  t.regex(kept(stays, { op: 'subOpened', in: [1, 1], magnitude: 14, share: 'kept' }), /cannot be kept/);
});

test('what runs is what was checked: attributes that an instruction does not know are gone', (t) => {
  const { program: checked, types } = checkProgram(
    program([share()], [{ ...sum, tag: 'a', guarded: true, share: 'kept', constant: {} } as never]),
  );
  t.deepEqual(checked.instructions[0], { op: 'add', in: [0, 0], magnitude: 15, tag: 'a', guarded: true });
  t.is(types.length, 2);
  const { types: lifted } = checkProgram(program([share()], [{ op: 'open', in: [0], ...lift }]));
  t.true((lifted[1] as OpenedType).lifted);
});

const LARGE = { layers: 24, batch: 16, tokens: 512, hidden: 1024, heads: 16, intermediate: 4096, vocabulary: 30_522 };

for (const suite of Object.values(suites))
  test(`BERT-large on 16 texts of 512 tokens is within all limits: ${suite.name}`, (t) => {
    const graph = bertGraph(LARGE);
    const inputs = graph.nodes.filter((n) => n.op === 'input' || n.op === 'oneHot').map(() => writtenTensor);
    const { cost, program: checked }: CheckedProgram = checkProgram(plan(graph, suite, inputs, [0]).program);
    const { work, outputBytes } = cost;
    const total = `${checked.instructions.length} instructions, work 2^${Math.log2(work).toFixed(1)}`;
    t.log(`${total}, outputs ${outputBytes}, peak ${cost.peak}, dealer ${cost.dealerPeak}`);
    t.true(work < 2 ** 42 && outputBytes < 2 ** 27 && checked.instructions.length < programLimits.instructions / 8);
  });

/**
 * A tenth of what the limits let pass; all of it takes seconds too. Before constants were looked at once, the first
 * took minutes.
 */
const list = (n: number, each: (i: number) => string) => Array.from({ length: n / 10 }, (_, i) => each(i));
const zeros = (n: number) => `${'0,'.repeat(n - 1)}0`;
const hostile: Record<string, () => Uint8Array> = {
  'picks of one constant': () => {
    const n = 2 ** 20;
    const picks = list(190_000, () => `{"op":"pick","in":[0],"constant":0,"constantBits":0,"shape":[${n}]}`);
    return textOf([share()], picks, `[{"fracBits":0,"values":[${zeros(n)}]}]`);
  },
  'concatenations of 4,096 parts': () =>
    textOf(
      [share()],
      list(2030, () => `{"op":"concat","in":[${zeros(4096)}]}`),
    ),
  'sums of many inputs': () =>
    textOf(
      Array(20_000).fill(share()),
      list(200_000, (i) => `{"op":"add","in":[${i},${i % 777}],"magnitude":15}`),
    ),
  'many values that die at once': () => {
    const sums = list(200_000, () => '{"op":"add","in":[0,0],"magnitude":15}');
    const ends = Array.from(
      { length: 4 },
      (_, at) => `{"op":"concat","in":[${Array.from({ length: 4096 }, (_, i) => 1 + 4096 * at + i)}]}`,
    );
    return textOf([share()], [...sums, ...ends]);
  },
  'scales of many zeros': () =>
    textOf(
      [share([1], 64)],
      list(
        200_000,
        () =>
          '{"op":"affine","in":[0],"scale":"9223372036854775808","offset":"0","fracBits":16,"bits":64,"magnitude":1}',
      ),
    ),
  'comparisons of 64 bits': () =>
    textOf(
      [opened()],
      list(200_000, () => '{"op":"compare","in":[0],"position":0,"window":64,"thresholds":["0"]}'),
    ),
  'comparisons with 64 thresholds': () =>
    textOf(
      [opened()],
      list(110_000, () => `{"op":"compare","in":[0],"position":0,"window":64,"thresholds":[${'"0",'.repeat(63)}"0"]}`),
    ),
  series: () =>
    textOf(
      [opened()],
      list(
        90_000,
        () =>
          `{"op":"trig","in":[0],"period":20,"constantTerm":0,"coefficients":[${'[1,1],'.repeat(23)}[1,1]],` +
          '"seriesBits":18,"bits":40,"magnitude":3}',
      ),
    ),
  'openings of one round': () =>
    textOf(
      [share()],
      list(200_000, () => '{"op":"open","in":[0],"shift":0,"width":48,"offsetLog":-1,"share":"modular","bits":48}'),
    ),
  'products of eight axes': () =>
    textOf(
      [opened(Array(8).fill(1))],
      list(200_000, () => '{"op":"matMul","in":[0,0],"transposeA":false,"transposeB":false,"magnitude":1}'),
    ),
};

/** Milliseconds that this thread has computed; of Linux alone, those of a clock elsewhere. */
const computed = () =>
  process.platform === 'linux'
    ? Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
    : performance.now();

for (const [name, text] of Object.entries(hostile))
  test(`a hostile program is checked in time: ${name}`, (t) => {
    const bytes = text();
    const start = computed();
    readProgram(bytes);
    const ms = computed() - start;
    t.true(ms < 3000, `${ms} ms`);
  });
