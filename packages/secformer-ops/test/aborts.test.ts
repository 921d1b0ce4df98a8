import { Arena, encodeFixed, type Words } from '@secformer/ring';
import test, { type ExecutionContext } from 'ava';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  onesOf,
  type PartyValue,
  ProgramBuilder,
  plan,
  releaseOutputs,
  relu,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { kernels, uniform } from './harness.js';
import { type Around, Roles } from './roles.js';

const N = 8192;
const ROOM = 2 ** 28;

/**
 * Openings, products of both kinds, comparisons, layouts, a value that nobody reads, one that is revealed twice and
 * others that stay.
 */
function arithmetic(): [CheckedProgram, Words[]] {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [64, N / 64], fracBits: 16, bits: 64, magnitude: 14 });
  const y = builder.input({ kind: 'share', shape: [N / 64, 64], fracBits: 16, bits: 64, magnitude: 14 });
  const product = e.truncated(e.matMul(x, y));
  const [positive, squared, stays] = [
    relu(e, x),
    e.truncated(e.square(e.transpose(x, [1, 0]))),
    e.emit('add', [x, x], { magnitude: 15 }),
  ];
  const opened = e.emit('open', [y], { shift: 0, width: 48, offsetLog: -1, share: 'kept', bits: 48 });
  const program = builder.build([product, positive, squared, squared, positive], [stays, opened, positive]);
  // No builder writes what nobody reads
  const last = program.inputs.length + program.instructions.length - 1;
  program.instructions.push({ op: 'add', in: [last, last], magnitude: 30 });
  return [
    checkProgram(program),
    [encodeFixed(kernels, uniform(N, -5, 5, 1), 16, 14), encodeFixed(kernels, uniform(N, -5, 5, 2), 16, 14)],
  ];
}

/** A lookup of private indices in buckets, whose table is opened and stays. */
function lookup(): [CheckedProgram, (Words | Int32Array)[]] {
  const [count, depth, width] = [48, 1500, 12];
  const { program, bindings } = plan(
    {
      nodes: [
        { op: 'input', slot: 0, in: [], shape: [depth, width] },
        { op: 'oneHot', slot: 1, depth, in: [], shape: [count, depth] },
        { op: 'matMul', transposeA: false, transposeB: false, in: [1, 0], shape: [count, width] },
      ],
      outputs: [2],
    },
    suiteOf('exact'),
    [writtenTensor, writtenTensor],
    [0],
  );
  const ids = Int32Array.from(uniform(count, 0, depth, 4));
  return [
    checkProgram(program),
    bindings.map((b) =>
      b.kind === 'oneHot' ? onesOf(b, ids) : encodeFixed(kernels, uniform(depth * width, -5, 5, 3), 16, 14),
    ),
  ];
}

class Stop extends Error {}

/** Runs with one failure after another, at the first wait, at the second and so on, until the run ends. */
async function failEverywhere(
  t: ExecutionContext,
  around: Pick<Around, 'arena' | 'ahead'>,
  run: (around: Around) => Promise<unknown>,
): Promise<number> {
  const { arena } = around;
  for (let at = 0; ; at++) {
    let waits = 0;
    const lost = new Set<ArrayBufferLike>();
    const wait = (bytes?: Uint8Array) => {
      if (waits++ !== at) return;
      if (bytes) lost.add(bytes.buffer);
      throw new Stop();
    };
    try {
      await run({
        ...around,
        pause: async () => wait(),
        take: () => wait(),
        exchange: (_round, mine) => wait(mine),
        emit: wait,
      });
      return at;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    if (arena.usedBytes !== 0) t.fail(`${arena.usedBytes} bytes are still counted after a failure at wait ${at}`);
    // What a link may still be reading is nobody else's; now and then, for it takes all there is
    if (lost.size > 0 || at % 50 === 0) eachOnce(t, arena, lost);
  }
}

/** Takes everything that is spare: no buffer comes twice, and none that was given away. */
function eachOnce(t: ExecutionContext, arena: Arena, lost: ReadonlySet<ArrayBufferLike>): void {
  const taken: Uint8Array[] = [];
  for (let size = 4096; arena.spareBytes > 0; size *= 2) {
    const before = arena.madeBytes;
    while (arena.madeBytes === before) taken.push(arena.borrow(size));
  }
  const buffers = new Set(taken.map((b) => b.buffer));
  if (buffers.size !== taken.length) t.fail('a buffer was handed out twice');
  for (const b of lost) if (buffers.has(b as ArrayBuffer)) t.fail('a buffer was handed out that a link may be reading');
  arena.release(taken);
}

const sharesOf = ({ program }: CheckedProgram, values: PartyValue[]) =>
  program.outputs.map((v) => values[v]!.share!.slice());

for (const [name, make] of Object.entries({ arithmetic, lookup })) {
  for (const role of [0, 1] as const) {
    for (const ahead of [undefined, 150_000]) {
      const which = `${name}, party ${role}${ahead ? ', some of it prepared' : ''}`;
      test(`a party that fails gives back what it borrowed: ${which}`, async (t) => {
        const [checked, given] = make();
        const roles = new Roles(checked, given);
        const want = (await roles.together())[role];
        const around = { arena: new Arena(ROOM), ...(ahead && { ahead }) };
        const again = async (a: Around) => {
          const values = await roles.party(role, a);
          t.deepEqual(sharesOf(checked, values), want);
          releaseOutputs(a.arena, checked, values);
        };
        const waits = await failEverywhere(t, around, again);
        t.true(waits > checked.program.instructions.length);
        t.is(around.arena.usedBytes, 0);
        eachOnce(t, around.arena, new Set());
        await again(around);
        t.is(around.arena.usedBytes, 0);
      });
    }
  }

  test(`a dealer that fails gives back what it borrowed: ${name}`, async (t) => {
    const [checked, given] = make();
    const roles = new Roles(checked, given);
    const bytes: Uint8Array[] = [];
    await roles.dealer({ arena: new Arena(ROOM) }, (b) => bytes.push(b.slice()));
    const arena = new Arena(ROOM);
    const again = async (a: Around) => {
      const dealt: Uint8Array[] = [];
      await roles.dealer(a, (b) => dealt.push(b.slice()));
      t.deepEqual(dealt, bytes);
    };
    const waits = await failEverywhere(t, { arena }, again);
    t.true(waits > checked.program.instructions.length);
    t.is(arena.usedBytes, 0);
    eachOnce(t, arena, new Set());
    await again({ arena });
    t.is(arena.usedBytes, 0);
  });

  test(`corrections are the same where the dealer is told to write them: ${name}`, async (t) => {
    const [checked, given] = make();
    const roles = new Roles(checked, given);
    const bytes: Uint8Array[] = [];
    await roles.dealer({ arena: new Arena(ROOM) }, (b) => bytes.push(b.slice()));
    const arena = new Arena(ROOM);
    const again = async (around: Around) => {
      // Room behind room, as in a frame; none for many at once
      const buffer = new Uint8Array(2 * Math.max(...bytes.map((b) => b.length)));
      const parts: Uint8Array[] = [];
      let [filled, rooms] = [0, 0];
      const flush = () => {
        parts.push(buffer.slice(0, filled));
        filled = 0;
      };
      const room = async (n: number) => {
        around.emit?.(new Uint8Array(0));
        if (filled + n > buffer.length) flush();
        if (n > buffer.length) return undefined;
        filled += n;
        rooms++;
        return buffer.subarray(filled - n, filled);
      };
      await roles.dealer({ ...around, room }, (b) => parts.push(b.slice()));
      flush();
      t.true(rooms > 0);
      t.true(Buffer.concat(parts).equals(Buffer.concat(bytes)));
    };
    await failEverywhere(t, { arena }, again);
    t.is(arena.usedBytes, 0);
  });
}
