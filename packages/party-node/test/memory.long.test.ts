/** Memory of nodes as processes: what runs of mixed sizes make of it, and what is left when nobody asks any more. */
import { readFileSync } from 'node:fs';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { limits, Session, tokenFrom } from '../src/index.js';
import { dialSocket, type LocalNodes, startLocalNodes } from '../src/node.js';
import { nodeName } from '../src/wire/handshake.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';

const WIDTH = 128;
/**
 * Runs of mixed lengths, of about sixty different ones: what each left behind would show from 0.4 % of the
 * largest run on. RUNS=200 makes it 0.15 %.
 */
const RUNS = Number(process.env.RUNS ?? 80);
const [SHORTEST, LONGEST] = [4, 123];

/** Encoder layers on `length` tokens: attention of the tokens to each other, then a dense part. Each takes the same. */
function layers(length: number, count = 1): Graph {
  const nodes: Graph['nodes'] = [
    { op: 'input', slot: 0, in: [], shape: [length, WIDTH] },
    { op: 'input', slot: 1, in: [], shape: [WIDTH, 4 * WIDTH] },
    { op: 'input', slot: 2, in: [], shape: [4 * WIDTH, WIDTH] },
  ];
  const push = (n: Graph['nodes'][number]) => nodes.push(n) - 1;
  const product = (a: number, b: number, shape: number[], transposeB = false) =>
    push({ op: 'matMul', transposeA: false, transposeB, in: [a, b], shape });
  let x = 0;
  for (let i = 0; i < count; i++) {
    const normal = push({ op: 'layerNorm', epsilon: 1e-5, in: [x], shape: [length, WIDTH] });
    const weights = push({
      op: 'softmax',
      in: [product(normal, normal, [length, length], true)],
      shape: [length, length],
    });
    const mixed = product(weights, normal, [length, WIDTH]);
    const up = push({
      op: 'gelu',
      form: 'erf',
      in: [product(mixed, 1, [length, 4 * WIDTH])],
      shape: [length, 4 * WIDTH],
    });
    x = push({ op: 'add', in: [product(up, 2, [length, WIDTH]), mixed], shape: [length, WIDTH] });
  }
  return { nodes, outputs: [x] };
}

async function client(nodes: LocalNodes) {
  const s = await Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));
  const some = (n: number) => Float32Array.from({ length: n }, (_, i) => ((i * 37) % 17) / 400 - 0.02);
  await s.write(1, some(4 * WIDTH * WIDTH), [WIDTH, 4 * WIDTH]);
  await s.write(2, some(4 * WIDTH * WIDTH), [4 * WIDTH, WIDTH]);
  let tensor = 3;
  const run = async (length: number) => {
    const x = tensor++;
    await s.write(x, some(length * WIDTH), [length, WIDTH]);
    await s.run({
      graph: layers(length),
      slots: [{ tensor: x }, { tensor: 1 }, { tensor: 2 }],
      revealed: [0],
      kept: [],
      suite: 'exact',
    });
    s.free([x]);
  };
  return { s, run };
}

type Sizes = Record<NodeRole, number>;
const sizes = (nodes: LocalNodes): Sizes =>
  Object.fromEntries(
    NODES.map((r) => [
      r,
      (Number(readFileSync(`/proc/${nodes.processes[r].pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20,
    ]),
  ) as Sizes;
const most = (a: Sizes, b: Sizes): Sizes => Object.fromEntries(NODES.map((r) => [r, Math.max(a[r], b[r])])) as Sizes;
const text = (s: Sizes) => NODES.map((r) => `${r} ${s[r].toFixed(0)}`).join(', ');

(process.platform === 'linux' ? test : test.skip)(
  `${RUNS} runs of mixed lengths take what the largest takes, and a minute later only tensors are left`,
  async (t) => {
    t.timeout(400_000);
    const nodes = await startLocalNodes();
    t.teardown(() => nodes.stop());
    const empty = sizes(nodes);
    const { s, run } = await client(nodes);
    // With what is dealt ahead for a program that repeats
    let largest = sizes(nodes);
    for (let i = 0; i < 12; i++) {
      await run(LONGEST);
      largest = most(largest, sizes(nodes));
      if (i % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 1000));
      largest = most(largest, sizes(nodes));
    }
    let mixed = largest;
    for (let i = 0, seed = 1; i < RUNS; i++) {
      seed = (seed * 48271) % 2147483647;
      await run(SHORTEST + (seed % (LONGEST - SHORTEST + 1)));
      mixed = most(mixed, sizes(nodes));
    }
    await new Promise((resolve) => setTimeout(resolve, limits.restMs + 5_000));
    const rested = sizes(nodes);
    t.log(
      `MiB. Empty: ${text(empty)}. Largest run: ${text(largest)}. ${RUNS} runs: ${text(mixed)}. ` +
        `At rest: ${text(rested)}`,
    );
    for (const r of NODES) {
      t.true(mixed[r] <= 1.3 * largest[r], r);
      // Two weights and their openings are 3 MiB. All load the same code, but the last to start may not have done so
      // yet
      t.true(rested[r] <= 1.3 * (Math.max(...NODES.map((n) => empty[n])) + 3), r);
    }
    s.close();
  },
);
