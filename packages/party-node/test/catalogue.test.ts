/** What a node makes of its models while its disk is slow. */
import test from 'ava';
import { Deferred } from '../src/deferred.js';
import { Catalogue, type ModelKeeper } from '../src/node/models/catalogue.js';
import type { PublishedModel } from '../src/node/models/model.js';

const modelOf = (generation: string, version = '1', publisher = 'acme') =>
  ({
    ref: { name: 'small', version, generation },
    hash: `hash of ${generation}`,
    publisher,
    manifest: { published: 1 },
    title: `small@${version}`,
  }) as PublishedModel;

/** A keeper whose calls take until they are let go. */
function slowKeeper() {
  const calls: string[] = [];
  const gates = { stage: new Deferred<void>(), commit: new Deferred<void>() };
  const keeper: ModelKeeper = {
    stage: () => gates.stage.promise,
    commit: async (generation) => {
      await gates.commit.promise;
      calls.push(`commit ${generation}`);
    },
    remove: async ({ generation }, state) => void calls.push(`remove ${generation} ${state}`),
    load: async () => modelOf('a'),
  };
  return { keeper, calls, ...gates };
}

test('what is being committed is not discarded: it would be on the disk and not in the list', async (t) => {
  const catalogue = new Catalogue();
  const slow = slowKeeper();
  catalogue.keeper = slow.keeper;
  slow.stage.resolve();
  await catalogue.stage(modelOf('a'));
  const committing = catalogue.commit('a');
  await catalogue.discard('a');
  slow.commit.resolve();
  await committing;
  t.deepEqual(slow.calls, ['commit a']);
  t.deepEqual(
    catalogue.mine.map(({ generation, state }) => [generation, state]),
    [['a', 'live']],
  );
});

test('models that are being written count, and one of a generation is written once', async (t) => {
  const catalogue = new Catalogue();
  const slow = slowKeeper();
  catalogue.keeper = slow.keeper;
  const staging = [catalogue.stage(modelOf('a')), catalogue.stage(modelOf('b', '2'))];
  t.is(catalogue.countOf('acme'), 2);
  t.is(catalogue.countOf('other'), 0);
  await t.throwsAsync(catalogue.stage(modelOf('a')), { code: 'BAD_MESSAGE', message: /twice/ });
  t.is(catalogue.countOf('acme'), 2);
  slow.stage.resolve();
  await Promise.all(staging);
  t.is(catalogue.countOf('acme'), 2);
});

test('after a start, a model is asked again for until the other nodes have said what they have', async (t) => {
  const catalogue = new Catalogue();
  const all = () => true;
  t.is(catalogue.whyNot('small', undefined, all).code, 'MODEL_UNKNOWN');
  t.deepEqual(catalogue.listed(), []);
  catalogue.restore(modelOf('a'));
  const list = catalogue.mine;
  for (const met of [0, 1]) {
    if (met === 1) await catalogue.heard('party1', list);
    const why = catalogue.whyNot('small', '1', all);
    t.is(why.code, 'BUSY');
    t.true(why.retryAfterMs! > 0);
    t.throws(() => catalogue.listed(), { code: 'BUSY' });
    t.is(catalogue.whyNot('small', '2', all).code, 'MODEL_UNKNOWN');
    // Another publisher's is none for whoever asks
    const none = catalogue.whyNot('small', '1', () => false);
    t.is(none.code, 'MODEL_UNKNOWN');
    t.regex(none.message, /no model small@1 is served here/);
  }
  await catalogue.heard('dealer', list);
  t.deepEqual(
    catalogue.listed().map((model) => model.ref.generation),
    ['a'],
  );
  await catalogue.heard('dealer', []);
  const lacking = catalogue.whyNot('small', undefined, all);
  t.deepEqual([lacking.code, lacking.retryAfterMs], ['MODEL_UNKNOWN', undefined]);
  t.regex(lacking.message, /dealer does not have it/);
  t.deepEqual(catalogue.listed(), []);
});
