/** The commands with nodes that are made up: what is handed to them, what is printed, what is refused before. */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NodeError } from '@secformer/party-node';
import type { Manifest, Publishable, PublishOptions } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { Interrupted, interrupts } from '../src/interrupts.js';
import { grantFor } from '../src/proxy/serve.js';
import type { Model, Service } from '../src/service.js';
import { Files, run, sst2 } from './commands.js';

const files = new Files();
test.after.always(() => files.remove());

const unknown = () => {
  throw new NodeError('client', 'MODEL_UNKNOWN', 'there is none');
};

/** Nodes that take every model, and what they were given. */
function publishing() {
  const seen: { model?: Publishable; options?: PublishOptions } = {};
  const service: Service = {
    loadPublished: async () => unknown(),
    publish: async (model, options) => {
      Object.assign(seen, { model, options });
      options.onProgress?.({ phase: 'connecting', done: 0, of: 1 });
      const cost = { rounds: 7, online: 1000, dealer: 2_000_000, instructions: 3 };
      const programs = [options.inputs].flat().map(() => ({ cost }));
      return { name: options.name, version: options.version, generation: '00', programs } as never;
    },
  };
  return { seen, service };
}

const publish = (folder: string, more: string[], service?: Service) =>
  run(['publish', folder, '--name', 'm', '--version', '1', ...files.flags, ...more], service);

test.serial('a checkpoint is published with its tokenizer, a program for each length', async (t) => {
  const { seen, service } = publishing();
  const card = files.write('card.txt', 'about it');
  const { code, out, err } = await publish(sst2, ['--seq', '32,16', '--batch', '2', '--asset', card], service);
  t.is(code, 0, err.join());
  const { inputs, outputs, assets, network, key } = seen.options!;
  t.deepEqual(inputs, [{ ids: { shape: [2, 16] } }, { ids: { shape: [2, 32] } }]);
  t.deepEqual(outputs, { logits: 'logits' });
  t.deepEqual(Object.keys(assets!).sort(), ['card.txt', 'config.json', 'tokenizer.json', 'tokenizer_config.json']);
  t.deepEqual(network, JSON.parse(readFileSync(files.network, 'utf8')));
  t.true(key.startsWith('ed25519-secret:'));
  t.deepEqual(out, [
    'm@1 is published, with 2 programs; a run of each:',
    'ids [2,16]  7 rounds  1.0 kB sent by each party  2.00 MB by the dealer',
    'ids [2,32]  7 rounds  1.0 kB sent by each party  2.00 MB by the dealer',
  ]);
  t.deepEqual(err, ['connecting']);
});

test.serial('outputs of a checkpoint are named, and go by what its folder is', async (t) => {
  const { seen, service } = publishing();
  t.is((await publish(sst2, ['--seq', '8', '--output', 'hidden,pooled'], service)).code, 0);
  t.deepEqual(seen.options!.outputs, { hidden: 'hiddenStates', pooled: 'pooled' });
  t.is(seen.options!.weights, 'secret');
  t.is((await publish(sst2, ['--seq', '8', '--weights', 'public'], service)).code, 0);
  t.is(seen.options!.weights, 'public');
  t.not((await publish(sst2, ['--seq', '8', '--weights', 'shared'], service)).code, 0);
  const at = (name: string) =>
    fileURLToPath(new URL(`../../../bert-loader/test/fixtures/models/${name}`, import.meta.url));
  t.is((await publish(at('sentence-mean-normalize'), ['--seq', '8'], service)).code, 0);
  t.deepEqual(seen.options!.outputs, { embed: 'embed' });
  t.true('modules.json' in seen.options!.assets!);
  t.is((await publish(at('bert-model'), ['--seq', '8'], service)).code, 0);
  t.deepEqual(seen.options!.outputs, { hidden: 'hiddenStates' });
});

/** A model of layers on disk. */
async function layersModel(length: number | null): Promise<string> {
  const folder = join(files.folder, `layers-${length}`);
  mkdirSync(folder);
  await tf.setBackend('cpu');
  const model = tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape: [length, 3] }),
      tf.layers.dense({ units: 2, useBias: false, kernelInitializer: 'ones' }),
    ],
  });
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      writeFileSync(join(folder, 'weights.bin'), new Uint8Array(weightData as ArrayBuffer));
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const json = { format: 'layers-model', modelTopology, weightsManifest };
      writeFileSync(join(folder, 'model.json'), JSON.stringify(json));
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  model.dispose();
  return folder;
}

test.serial('a model of layers is published with the sizes that it leaves open', async (t) => {
  const { seen, service } = publishing();
  const [open, whole] = [await layersModel(null), await layersModel(4)];
  const { code, err } = await publish(open, ['--seq', '5,6'], service);
  t.is(code, 0, err.join());
  const [[name]] = Object.entries((seen.options!.inputs as Record<string, object>[])[0]!) as [[string, object]];
  t.deepEqual(seen.options!.inputs, [{ [name]: { shape: [1, 5, 3] } }, { [name]: { shape: [1, 6, 3] } }]);
  t.deepEqual([seen.options!.outputs, seen.options!.assets], [undefined, {}]);
  t.is((await publish(whole, ['--batch', '3'], service)).code, 0);
  t.deepEqual(Object.values((seen.options!.inputs as object[])[0]!), [{ shape: [3, 4, 3] }]);
  const refused = async (folder: string, flags: string[], why: RegExp) => {
    const { code, err } = await publish(folder, flags, service);
    t.is(code, 2);
    t.regex(err.at(-1)!, why);
  };
  await refused(open, [], /--seq is missing: the sizes that the model leaves open.*\[\?,\?,3\]/);
  await refused(whole, ['--seq', '4'], /leaves none/);
  await refused(whole, ['--output', 'nothing'], /--output nothing: the model has output/);
  rmSync(join(whole, 'weights.bin'));
  await refused(whole, [], /weights\.bin cannot be read/);
});

const graph = {
  node: [
    {
      name: 'x',
      op: 'Placeholder',
      attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: { dim: [{ size: '-1' }, { size: '3' }] } } },
    },
    { name: 'y', op: 'Relu', input: ['x'], attr: { T: { type: 'DT_FLOAT' } } },
  ],
  versions: { producer: 1 },
};

test.serial('a graph is published, and a model.json that is none is refused', async (t) => {
  const { seen, service } = publishing();
  const folder = join(files.folder, 'graph');
  mkdirSync(folder);
  const write = (json: object) => writeFileSync(join(folder, 'model.json'), JSON.stringify(json));
  write({ format: 'graph-model', modelTopology: graph, weightsManifest: [] });
  const { code, err } = await publish(folder, ['--output', 'y', '--batch', '2'], service);
  t.is(code, 0, err.join());
  t.deepEqual(seen.options!.inputs, [{ x: { shape: [2, 3] } }]);
  t.deepEqual(seen.options!.outputs, { y: 'y' });
  for (const [json, why] of [
    [{}, /is no model of TensorFlow.js/],
    [{ modelTopology: graph, weightsManifest: [{ paths: ['../x'], weights: [] }] }, /not in its folder/],
    [{ format: 'layers-model', modelTopology: {}, weightsManifest: [] }, /cannot be loaded/],
  ] as const) {
    write(json);
    const { code, err } = await publish(folder, [], service);
    t.is(code, 2);
    t.regex(err.at(-1)!, why);
  }
  writeFileSync(join(folder, 'model.json'), '{');
  t.regex((await publish(folder, [], service)).err.at(-1)!, /model\.json cannot be read/);
});

test.serial('what cannot be published is said before the nodes are asked', async (t) => {
  const { service } = publishing();
  const refused = async (argv: Promise<{ code: number; err: string[] }>, why: RegExp) => {
    const { code, err } = await argv;
    t.is(code, 2, err.join());
    t.is(err.length, 1);
    t.regex(err[0]!, why);
    t.true(err[0]!.startsWith('secformer: '));
  };
  await refused(run(['publish', sst2]), /required option '--name/);
  await refused(run(['publish', sst2, '--name', 'm', '--version', '1']), /--network/);
  await refused(publish(sst2, ['--seq', 'a']), /--seq <list>.*whole number/);
  await refused(publish(sst2, ['--seq', '8'].concat(['--asset', 'nothing'])), /--asset nothing cannot be read/);
  await refused(publish(sst2, ['--asset', files.key, files.key]), /two of the files are called own\.key/);
  await refused(publish(sst2, ['--ca', 'nothing']), /--ca nothing cannot be read/);
  await refused(publish(sst2, ['--ca', files.key]), /holds no certificate/);
  await refused(publish('nowhere', [], service), /no such folder/);
  await refused(publish(files.folder, [], service), /no model's folder/);
  await refused(publish(sst2, [], service), /--seq is missing: the lengths/);
  await refused(publish(sst2, ['--seq', '500'], service), /--seq 500: the model takes 128/);
  await refused(publish(sst2, ['--seq', '8', '--output', 'x'], service), /--output x: of a BERT/);
  await refused(publish(sst2, ['--seq', '8', '--suite', 'none'], service), /UNKNOWN_SUITE/);
  const damaged = join(files.folder, 'damaged');
  cpSync(sst2, damaged, { recursive: true });
  writeFileSync(join(damaged, 'tokenizer.json'), '{');
  await refused(publish(damaged, ['--seq', '8'], service), /tokenizer\.json: is not JSON \(BAD_MODEL_FILE\)/);
});

test.serial('a version that is there, or a publisher whom the nodes refuse, is found first', async (t) => {
  const { seen, service } = publishing();
  let disposed = 0;
  const there: Service = { ...service, loadPublished: async () => ({ dispose: () => disposed++ }) as never };
  const exists = await publish(sst2, ['--seq', '8'], there);
  t.is(exists.code, 3);
  t.regex(exists.err[0]!, /m@1 is published; give another --version \(MODEL_EXISTS\)/);
  t.is(disposed, 1);
  const refusing: Service = {
    ...service,
    loadPublished: async () => {
      throw new NodeError('party 1', 'NOT_AUTHENTICATED', 'no');
    },
  };
  const refused = await publish(sst2, ['--seq', '8'], refusing);
  t.is(refused.code, 3);
  t.regex(refused.err[0]!, /party-node allow/);
  t.is(seen.options, undefined);
});

const bytes = (name: string) => new Uint8Array(readFileSync(join(sst2, name)));

/** A published classifier of texts: its logits are how many tokens there are, and 3. */
function asked(
  assets: Record<string, Uint8Array>,
  shapes = [
    [1, 8],
    [2, 16],
  ],
) {
  const given: number[][] = [];
  const tensor = (name: string, shape: number[]) => ({ name, shape, dtype: 'int32' });
  const manifest = {
    name: 'm',
    version: '1',
    programs: shapes.map((shape) => ({
      inputs: ['ids', 'mask', 'segments'].map((name) => tensor(name, shape)),
      outputs: [{ name: 'logits', shape: [shape[0]!, 2], dtype: 'float32' }],
    })),
    assets: Object.keys(assets).map((name) => ({ name })),
  } as unknown as Manifest;
  const model = {
    manifest,
    asset: async (name: string) => assets[name]!,
    dispose: () => {},
    execute: ({ ids, mask }: Record<string, tf.Tensor>) => {
      given.push(ids!.shape);
      const tokens = tf.sum(mask!, 1, true) as tf.Tensor2D;
      return tf.concat([tf.cast(tokens, 'float32'), tf.fill([ids!.shape[0]!, 1], 3)], 1);
    },
  } as unknown as Model;
  const service: Service = { publish: unknown as never, loadPublished: async () => model };
  return { service, given };
}

const CLASSIFIER = Object.fromEntries(
  ['config.json', 'tokenizer.json', 'tokenizer_config.json'].map((name) => [name, bytes(name)]),
);
const ask = (argv: string[], service?: Service) =>
  run(['ask', ...argv, ...files.flags, '--grant', files.grant], service);
const LONG = 'a film that goes on and on and on and on and on and on and on';

test.serial('texts are answered in their order, each by the smallest program that it fits into', async (t) => {
  const { service, given } = asked(CLASSIFIER);
  const { code, out, err } = await ask(['m', 'a film', LONG, 'a very good and warm film indeed'], service);
  t.is(code, 0, err.join());
  t.deepEqual(given, [
    [1, 8],
    [2, 16],
  ]);
  t.deepEqual(out, [
    'negative  0.7311  a film',
    `negative  1.0000  ${LONG.slice(0, 59)}${LONG.length > 60 ? '…' : LONG.slice(59)}`,
    'negative  0.9975  a very good and warm film indeed',
  ]);
  t.deepEqual(err, ['1 of 3 texts was cut to what the model takes']);
});

test.serial('JSON: a line for each text, with all labels', async (t) => {
  const config = {
    ...JSON.parse(new TextDecoder().decode(bytes('config.json'))),
    problem_type: 'multi_label_classification',
  };
  const assets = { ...CLASSIFIER, 'config.json': new TextEncoder().encode(JSON.stringify(config)) };
  const { code, out } = await ask(['m@1', 'a film', LONG, '--json'], asked(assets, [[1, 8]]).service);
  t.is(code, 0);
  const [first, second] = out.map((line) => JSON.parse(line));
  t.like(first, { text: 'a film', label: 'negative' });
  t.deepEqual(
    first.scores.map((s: { probability: number }) => Number(s.probability.toFixed(4))),
    [0.982, 0.9526],
  );
  t.like(second, { text: LONG, truncated: true });
});

test.serial('what cannot be asked is said in a line', async (t) => {
  const refused = async (ran: Promise<{ code: number; err: string[] }>, code: number, why: RegExp) => {
    const { code: got, err } = await ran;
    t.is(got, code, err.join());
    t.regex(err.join('\n'), why);
    t.is(err.length, 1);
  };
  await refused(run(['ask', ...files.flags]), 2, /missing required argument/);
  await refused(run(['ask', 'm', 'a text', ...files.flags, '--grant', 'nothing']), 2, /--grant nothing cannot be read/);
  await refused(run(['ask', 'm', 'a text', ...files.flags, '--grant', files.network]), 2, /holds no grant/);
  await refused(ask(['m', 'a text'], asked({}).service), 2, /m@1: was published without a tokenizer/);
  await refused(ask(['m', 'a text'], asked(CLASSIFIER, [[3]]).service), 2, /and no texts; loadPublished/);
  const later: Service = {
    publish: unknown as never,
    loadPublished: async () => {
      throw new NodeError('party 0', 'QUOTA_SPENT', 'that was all', { retryAfterMs: 90_000 });
    },
  };
  await refused(ask(['m', 'a text'], later), 4, /that was all \(QUOTA_SPENT\); try again in 90 seconds/);
});

test.serial('what cannot be served is said before the nodes are asked', async (t) => {
  const token = files.write('token', `${'ab'.repeat(32)}\n`);
  const [weak, open] = [files.write('weak', 'short\n'), files.write('open', `${'ab'.repeat(32)}\n`)];
  chmodSync(open, 0o644);
  const refused = async (flags: string[], why: RegExp) => {
    const { code, err } = await run(['proxy', 'm', ...files.flags, ...flags]);
    t.is(code, 2, err.join());
    t.regex(err.join(), why);
  };
  await refused(['--listen', '0.0.0.0:0'], /is open to other machines: give --token-file/);
  await refused(['--listen', 'a.example:1'], /is open to other machines/);
  await refused(['--listen', 'nowhere'], /HOST:PORT/);
  await refused(['--listen', '0.0.0.0:0', '--token-file', weak], /not 32 random bytes/);
  await refused(['--listen', '0.0.0.0:0', '--token-file', open], /can be read by others.*chmod 600/);
  await refused(['--token-file', token, '--tls-cert', token], /give both --tls-cert and --tls-key/);
  await refused(['--timeout', '0'], /1 to 3600/);
  await refused(['--grant', files.grant, '--grant', files.network], /holds no grant/);
  const grant = (model: string) => `a.${Buffer.from(JSON.stringify({ model })).toString('base64url')}.c`;
  t.is(grantFor('b@1', [grant('a'), grant('b')]), grant('b'));
  t.is(grantFor('c', [grant('a')]), grant('a'));
  t.throws(() => grantFor('c', [grant('a'), 'x.y.z']), { message: /none of the files of --grant is for c/ });
});

test.serial('files may be named by the environment, and secrets are not printed', async (t) => {
  const variables = { SECFORMER_NETWORK: files.network, SECFORMER_KEY: files.key, SECFORMER_GRANT: files.grant };
  Object.assign(process.env, variables);
  t.teardown(() => {
    for (const name of Object.keys(variables)) delete process.env[name];
  });
  const { code, out, err } = await run(['ask', 'm', 'a film'], asked(CLASSIFIER).service);
  t.is(code, 0, err.join());
  const secret = readFileSync(files.key, 'utf8').trim();
  t.false([...out, ...err].join().includes(secret));
});

test.serial('help is no failure', async (t) => {
  for (const argv of [['--help'], ['publish', '--help'], ['ask', '--help'], ['proxy', '--help']]) {
    const { code, out } = await run(argv);
    t.is(code, 0);
    t.true(out.join('\n').includes('Usage: secformer'));
  }
});

test.serial('Ctrl-C gives up what a command waits for, and it says so', async (t) => {
  for (const [command, argv, waits] of [
    ['publish', [sst2, '--name', 'm', '--version', '1', '--seq', '8'], 'publish'],
    ['publish', [sst2, '--name', 'm', '--version', '1', '--seq', '8'], 'loadPublished'],
    ['ask', ['m@1', 'a text'], 'loadPublished'],
  ] as const) {
    const stop = new AbortController();
    let released = 0;
    const never = (options: { signal?: AbortSignal | undefined }) =>
      new Promise<never>((_, reject) => {
        options.signal!.addEventListener('abort', () => reject(options.signal!.reason), { once: true });
        stop.abort(new Interrupted('SIGINT'));
      });
    const service: Service = {
      loadPublished: async (_, options) => (waits === 'loadPublished' ? never(options) : unknown()),
      publish: async (_, options) => never(options),
    };
    const interrupted = () => ({ signal: stop.signal, release: () => void released++ });
    const { code, out, err } = await run([command, ...argv, ...files.flags], service, interrupted);
    t.is(code, 130);
    t.deepEqual(out, []);
    t.is(
      err.at(-1),
      command === 'publish' ? 'secformer: interrupted; nothing of it is published' : 'secformer: interrupted',
    );
    t.is(released, 1);
  }
  const count = () => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');
  const before = count();
  const { signal, release } = interrupts();
  t.is(count(), before + 2);
  process.emit('SIGTERM', 'SIGTERM');
  t.is((signal.reason as Interrupted).exit, 143);
  release();
  t.is(count(), before);
});
