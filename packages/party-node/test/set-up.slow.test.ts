import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type RunRequest, Session, tokenFrom } from '../src/index.js';
import { dialSocket, startLocalNodes } from '../src/node.js';
import { nodeName } from '../src/wire/handshake.js';

/** As many weights as BERT-base's words have. */
const [DEPTH, WIDTH] = [768, 30_522];
const dense: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, DEPTH] },
    { op: 'input', slot: 1, in: [], shape: [DEPTH, WIDTH] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [2, WIDTH] },
  ],
  outputs: [2],
};

/** Nodes answer others while they take so much: nothing holds their thread for as long. */
const LONGEST_MS = 1_000;

/** A machine that does other things delays an answer now and then; a thread that is held does so every time. */
const TRIES = 3;

test('while large weights are set up and first used, nodes answer another client in between', async (t) => {
  t.timeout(180_000);
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  const connect = () => Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));
  const [owner, other] = [await connect(), await connect()];

  const weights = Float32Array.from({ length: DEPTH * WIDTH }, (_, i) => ((i * 7) % 31) / 64 - 0.25);
  const x = Float32Array.from({ length: 2 * DEPTH }, (_, i) => ((i * 5) % 17) / 8 - 1);
  let want = 0;
  for (let d = 0; d < DEPTH; d++) want += x[d]! * weights[d * WIDTH + 9]!;

  /** Milliseconds of the longest of the other client's answers while the owner's weights come and are used. */
  const longestAnswer = async (first: number) => {
    const request: RunRequest = {
      graph: dense,
      slots: [{ tensor: first }, { tensor: first + 1 }],
      revealed: [0],
      kept: [],
      suite: 'exact',
    };
    const forms = owner.forms(request, new Map([first, first + 1].map((tensor) => [tensor, {}])));
    let done = false;
    const answers: number[] = [];
    const asking = (async () => {
      for (let i = 1; !done; i++) {
        const began = performance.now();
        await other.write(first + i, Float32Array.of(i), [1]);
        answers.push(performance.now() - began);
        await new Promise((go) => setTimeout(go, 10));
      }
    })();

    await owner.write(first, x, [2, DEPTH], {}, { forms: forms.get(first) });
    await owner.write(first + 1, weights, [DEPTH, WIDTH], {}, { forms: forms.get(first + 1) });
    const { outputs } = await owner.run(request);
    done = true;
    await asking;
    t.true(Math.abs(outputs[0]![9]! - want) < 1e-2);
    t.true(answers.length > 5, `${answers.length} answers meanwhile`);
    owner.free([first, first + 1]);
    return Math.max(...answers);
  };

  const longest: number[] = [];
  while (longest.length < TRIES && !longest.some((ms) => ms < LONGEST_MS))
    longest.push(await longestAnswer(1 + longest.length * 100_000));
  t.true(
    longest.some((ms) => ms < LONGEST_MS),
    `the longest took ${longest.map(Math.round).join(', ')} ms`,
  );
  owner.close();
  other.close();
});
