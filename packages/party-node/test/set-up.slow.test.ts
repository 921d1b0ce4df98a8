import type { Graph } from '@secformer/secformer-ops';
import test, { type ExecutionContext } from 'ava';
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

/** Milliseconds of the longest of a client's answers while another one's weights come and are used by fresh nodes. */
async function longestAnswer(t: ExecutionContext): Promise<number> {
  const nodes = await startLocalNodes();
  const connect = () => Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));
  const [owner, other] = [await connect(), await connect()];
  try {
    const weights = Float32Array.from({ length: DEPTH * WIDTH }, (_, i) => ((i * 7) % 31) / 64 - 0.25);
    const x = Float32Array.from({ length: 2 * DEPTH }, (_, i) => ((i * 5) % 17) / 8 - 1);
    let want = 0;
    for (let d = 0; d < DEPTH; d++) want += x[d]! * weights[d * WIDTH + 9]!;
    const request: RunRequest = {
      graph: dense,
      slots: [{ tensor: 1 }, { tensor: 2 }],
      revealed: [0],
      kept: [],
      suite: 'exact',
    };
    const forms = owner.forms(request, new Map([1, 2].map((tensor) => [tensor, {}])));
    let done = false;
    const answers: number[] = [];
    const asking = (async () => {
      for (let i = 1; !done; i++) {
        const began = performance.now();
        await other.write(i, Float32Array.of(i), [1]);
        answers.push(performance.now() - began);
        await new Promise((go) => setTimeout(go, 10));
      }
    })();

    await owner.write(1, x, [2, DEPTH], {}, { forms: forms.get(1) });
    await owner.write(2, weights, [DEPTH, WIDTH], {}, { forms: forms.get(2) });
    const { outputs } = await owner.run(request);
    done = true;
    await asking;
    t.true(Math.abs(outputs[0]![9]! - want) < 1e-2);
    t.true(answers.length > 5, `${answers.length} answers meanwhile`);
    return Math.max(...answers);
  } finally {
    owner.close();
    other.close();
    await nodes.stop();
  }
}

test('while large weights are set up and first used, nodes answer another client in between', async (t) => {
  t.timeout(180_000);
  const longest: number[] = [];
  while (longest.length < TRIES && !longest.some((ms) => ms < LONGEST_MS)) longest.push(await longestAnswer(t));
  t.true(
    longest.some((ms) => ms < LONGEST_MS),
    `the longest took ${longest.map(Math.round).join(', ')} ms`,
  );
});
