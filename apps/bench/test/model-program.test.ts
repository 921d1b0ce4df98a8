/**
 * A shipped model on sentences of every length: the nodes see one program, which says neither the length nor whether
 * anything is masked.
 */
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { type BertModel, loadBert } from '@secformer/bert-loader';
import { suites } from '@secformer/secformer-ops';
import { configure } from '@secformer/tfjs-mpc-backend';
import { type Visible, whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
import test from 'ava';
import { tf } from '../src/quiet-tfjs.js';

const folder = fileURLToPath(new URL('../../models/sst2-tiny', import.meta.url));
const LENGTH = 32;

/** Of one word, of a few, of one word again and again, and as long as the model is given. */
const texts = [
  'Good.',
  'A warm, funny and beautifully acted film.',
  'bad bad bad bad bad bad bad bad bad',
  'the film is long and the story is thin and the jokes are old and the actors look as if they would rather be ' +
    'somewhere else than in this film of all films that there are',
];

let model: BertModel;
test.before(async (t) => {
  t.timeout(60_000);
  t.true(await tf.setBackend('secformer'));
  model = await loadBert(folder);
});
test.afterEach.always(() => configure({}));
test.after.always(() => model.dispose());

for (const suite of Object.keys(suites)) {
  for (const by of ['softmax', '2quad', 'cgf', 'power'] as const) {
    test.serial(`sentences of every length are one program: ${by}, suite ${suite}`, (t) => {
      t.timeout(120_000);
      configure({ suite });
      Object.assign(model.config.attention, { function: by, constant: 5 });
      const seen = (text: string, f: 'logits' | 'embed'): Visible => {
        let visible: Visible | undefined;
        tf.tidy(() => {
          const inputs = model.tokenize(text, LENGTH);
          const full = inputs.attentionMask.dataSync().every((v) => v === 1);
          t.is(full, text === texts.at(-1), text);
          visible = whatNodesSee(model[f](inputs));
        });
        return visible!;
      };
      for (const f of ['logits', 'embed'] as const) {
        const [first, ...others] = texts.map((text) => seen(text, f));
        // The program is made of what is planned: of one word, and of all that there is room for
        t.is(others.at(-1)!.hash, first!.hash);
        for (const other of others) {
          t.deepEqual(other.writes, first!.writes);
          t.deepEqual(other.graph, first!.graph);
          t.true(isDeepStrictEqual(other.planned, first!.planned));
        }
        const { quadratic } = suites[suite]!;
        t.is(
          first!.graph.nodes.some((n) => n.op === 'quad'),
          by === '2quad' || (by === 'softmax' && quadratic),
        );
        t.is(
          first!.graph.nodes.some((n) => n.op === 'softmax'),
          by === 'softmax' && !quadratic,
        );
      }
    });
  }
}
