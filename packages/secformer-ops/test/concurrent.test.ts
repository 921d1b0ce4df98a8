/** Runs at the same time share nodes, rounds and memory, and nothing else. */
import { Arena, encodeFixed, sizeOf } from '@secformer/ring';
import test from 'ava';
import { checkProgram, Emitter, ProgramBuilder } from '../src/index.js';
import { compositions } from './compositions.js';
import { kernels, uniform } from './harness.js';
import { Roles } from './roles.js';

const RUNS = 5;

for (const name of ['exact softmax', 'exact layerNorm', 'exact gelu', 'secformer softmax'])
  test(`${name}: runs at the same time give what each gives alone, bit for bit`, async (t) => {
    const shape = [16, 32];
    const builder = new ProgramBuilder();
    const x = builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 14 });
    const compose = (compositions as Record<string, (e: Emitter, x: number) => number | number[]>)[name]!;
    const checked = checkProgram(builder.build([compose(new Emitter(builder), x)].flat()));
    // Different inputs, and the same streams: what one run took of another's would show
    const given = Array.from({ length: RUNS }, (_, i) =>
      encodeFixed(kernels, uniform(sizeOf(shape), 0.5, 6, i + 1), 16, 14),
    );
    const arenas = () => [new Arena(2 ** 28), new Arena(2 ** 28), new Arena(2 ** 28)] as const;
    const alone = [];
    for (const words of given) alone.push(await new Roles(checked, [words]).together(arenas()));
    const shared = arenas();
    const together = await Promise.all(given.map((words) => new Roles(checked, [words]).together(shared)));
    t.deepEqual(together, alone);
    t.notDeepEqual(alone[0], alone[1]);
    for (const arena of shared.slice(0, 2)) t.true(arena.peakBytes > 0);
  });
