import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sizeOf } from '@secformer/ring';
import test from 'ava';
import type { ModelFiles, WordsToStore } from '../src/store/model-files.js';
import { ModelStore, type StoreOptions } from '../src/store/model-store.js';
import { folder, generationOf, kernels, modelOf, small, storeKey, type TensorForm } from './stored-model.js';

const open = (dir: string, options: Partial<StoreOptions> = {}) =>
  ModelStore.open(dir, { kernels, node: 'party 0', ...options });

const widths = Array.from({ length: 63 }, (_, i) => i + 2);
const forms: Record<string, TensorForm[]> = {
  'shares of every modulus, odd lengths': widths.map((bits) => ({
    shape: [1 + ((bits * 37) % 101)],
    bits,
    share: true,
    openings: [],
  })),
  'openings of every width': [
    { shape: [77], bits: 64, share: false, openings: widths.map((w) => [w, Math.min(w + 1, 64)]) },
  ],
  'tensors without elements, and without arrays': [
    { shape: [0], bits: 64, share: true, openings: [[48, 49]] },
    { shape: [3, 0, 2], bits: 20, share: true, openings: [] },
    { shape: [9], bits: 64, share: false, openings: [] },
    { shape: [], bits: 64, share: true, openings: [[2, 3]] },
  ],
  'no tensors': [],
};

for (const [what, tensors] of Object.entries(forms))
  for (const key of [undefined, storeKey()])
    for (const chunkBytes of [64, 1000, 2 ** 22])
      test(`${what}: as they were, in chunks of ${chunkBytes}, ${key ? 'encrypted' : 'in the clear'}`, async (t) => {
        const store = await open(await folder(t), { key, chunkBytes });
        const model = modelOf(tensors);
        await store.stage(model);
        await store.commit(model.generation);
        t.deepEqual(await store.load('tiny', '1'), model);
        await store.close();
      });

test('words beyond the bits of their type are not kept', async (t) => {
  const store = await open(await folder(t));
  const model = modelOf([{ shape: [11], bits: 20, share: true, openings: [] }]);
  const high = model.tensors[0]!.share!.map((word) => word | (0xabcn << 20n));
  await store.stage({ ...model, tensors: [{ ...model.tensors[0]!, share: high }] });
  await store.commit(model.generation);
  t.deepEqual(await store.load('tiny', '1'), model);
  await store.close();
});

test('a model is staged, served and removed, also by a later process', async (t) => {
  const dir = await folder(t);
  const [a, b] = [small(), small({ version: '2', seed: 2 })];
  const described = (model: ModelFiles, state: string) => ({
    state,
    live: state === 'live',
    name: 'tiny',
    version: model.version,
    generation: model.generation,
    publisher: 'acme',
  });
  const listed = async (s: ModelStore) =>
    (await s.scan()).map(({ manifestHash, ...rest }) => {
      t.regex(manifestHash!, /^[0-9a-f]{64}$/);
      return rest;
    });
  let store = await open(dir);
  t.deepEqual(await store.scan(), []);
  await store.stage(a);
  await store.stage(b);
  await store.commit(a.generation);
  t.deepEqual(await listed(store), [described(b, 'staged'), described(a, 'live')]);
  await store.close();

  store = await open(dir);
  t.deepEqual(await listed(store), [described(b, 'staged'), described(a, 'live')]);
  await t.throwsAsync(store.load('tiny', '2'), { code: 'MODEL_UNKNOWN' });
  await t.throwsAsync(store.load('other', '1'), { code: 'MODEL_UNKNOWN' });
  await store.commit(b.generation);
  t.deepEqual(await store.load('tiny', '2'), b);
  await store.remove('tiny', '1');
  t.deepEqual(await listed(store), [described(b, 'live')]);
  await store.remove('tiny', '2');
  t.deepEqual((await readdir(dir)).sort(), ['.lock', '.partial', '.staged']);
  t.deepEqual(await readdir(join(dir, '.partial')), []);
  for (const f of [
    () => store.remove('tiny', '2'),
    () => store.discard(a.generation),
    () => store.commit(a.generation),
  ])
    await t.throwsAsync(f, { code: 'MODEL_UNKNOWN' });
  await store.close();
  await t.throwsAsync(store.scan(), { message: /closed/ });
});

test('a version never changes, and a sharing is stored once', async (t) => {
  const store = await open(await folder(t));
  const [a, again] = [small(), small({ seed: 2 })];
  await store.stage(a);
  await t.throwsAsync(store.stage(a), { code: 'MODEL_EXISTS' });
  // Two sharings of one version may wait; one of them is served
  await store.stage(again);
  await store.commit(a.generation);
  await t.throwsAsync(store.commit(again.generation), { code: 'MODEL_EXISTS' });
  await t.throwsAsync(store.stage(small({ seed: 3 })), { code: 'MODEL_EXISTS' });
  await store.discard(again.generation);
  t.deepEqual(
    (await store.scan()).map(({ state }) => state),
    ['live'],
  );
  t.deepEqual(await store.load('tiny', '1'), a);
  await store.close();
});

test('words may be made when they are written, one array at a time', async (t) => {
  const store = await open(await folder(t));
  const model = small();
  const asked: string[] = [];
  const lazy: ModelFiles<WordsToStore> = {
    ...model,
    tensors: model.tensors.map(({ share, openings, type }, i) => ({
      type,
      share: () => {
        asked.push(`${i}`);
        return share!;
      },
      openings: openings.map((o, j) => ({
        ...o,
        words: () => {
          asked.push(`${i}/${j}`);
          return o.words;
        },
      })),
    })),
  };
  await store.stage(lazy);
  t.deepEqual(asked, ['0', '0/0', '1']);
  await store.commit(model.generation);
  t.deepEqual(await store.load('tiny', '1'), model);
  await store.close();
});

test('what does not belong together is not stored, and nothing of it stays', async (t) => {
  const dir = await folder(t);
  const store = await open(dir);
  const model = small();
  const [first, second] = model.tensors as [ModelFiles['tensors'][0], ModelFiles['tensors'][0]];
  const opening = first.openings[0]!;
  const other = small({ name: 'other' });
  const wrong: Record<string, Partial<ModelFiles<WordsToStore>>> = {
    'a name that leaves the folder': { name: '../x' },
    'a name of a hidden file': { name: '.staged' },
    'a version that leaves the folder': { version: '../../x' },
    'a generation that leaves the folder': { generation: '../x' },
    'another name than in the manifest': { name: 'other' },
    'another version': { version: '2' },
    'another generation': { generation: generationOf(2) },
    'a signature of another manifest': { manifest: { ...model.manifest, text: other.manifest.text } },
    'another Program': { programs: [...model.programs].reverse() },
    'a Program more': { programs: [...model.programs, new Uint8Array(1)] },
    'another asset': { assets: [new Uint8Array(1)] },
    'a tensor less': { tensors: [first] },
    'tensors in another order': { tensors: [second, first] },
    'another type': { tensors: [first, { ...second, type: { ...second.type, fracBits: 3 } }] },
    'words that are too few': { tensors: [first, { ...second, share: new BigUint64Array(32) }] },
    'an opening of 65 bits': { tensors: [{ ...first, openings: [{ ...opening, bits: 65 }] }, second] },
    'a key that is short': { tensors: [{ ...first, openings: [{ ...opening, key: new Uint8Array(31) }] }, second] },
  };
  for (const [what, part] of Object.entries(wrong)) {
    await t.throwsAsync(store.stage({ ...model, ...part }), { code: 'BAD_MESSAGE' }, what);
    for (const name of ['.staged', '.partial']) t.deepEqual(await readdir(join(dir, name)), [], what);
  }
  const unmade = {
    ...second,
    share: () => {
      throw new Error('no words');
    },
  };
  await t.throwsAsync(store.stage({ ...model, tensors: [first, unmade] }), { message: /no words/ });
  t.deepEqual(await store.scan(), []);
  t.deepEqual(await readdir(join(dir, '.partial')), []);
  for (const f of [() => store.load('..', '1'), () => store.remove('tiny', '..'), () => store.commit('..')])
    await t.throwsAsync(f, { code: 'BAD_MESSAGE' });
  await t.throwsAsync(store.discard('../tiny'), { code: 'BAD_MESSAGE' });
  await store.close();
});

test('models of several publishers are stored while others are loaded', async (t) => {
  const store = await open(await folder(t), { chunkBytes: 64 });
  const models = [1, 2, 3, 4].map((seed) => small({ name: `model-${seed}`, seed }));
  await Promise.all(models.map((model) => store.stage(model)));
  await Promise.all(models.map(({ generation }) => store.commit(generation)));
  const loaded = await Promise.all(models.map(({ name }) => store.load(name, '1')));
  t.deepEqual(loaded, models);
  await store.close();
});

const posix = process.platform === 'win32' ? test.skip : test;

posix('what is stored is its owner’s alone', async (t) => {
  const dir = await folder(t);
  const store = await open(dir);
  await store.stage(small());
  await store.commit(generationOf(1));
  for (const name of ['', ...(await readdir(dir, { recursive: true }))]) {
    const found = await lstat(join(dir, name));
    t.is(found.mode & 0o777, found.isDirectory() ? 0o700 : 0o600, name);
  }
  await store.close();
  await chmod(dir, 0o750);
  await t.throwsAsync(open(dir), { code: 'BAD_CONFIGURATION', message: /chmod 700/ });
});

posix('a link is not followed, in whose place it may stand', async (t) => {
  const dir = await folder(t);
  const elsewhere = await folder(t);
  let store = await open(elsewhere);
  await store.stage(small());
  await store.commit(generationOf(1));
  await store.close();

  await t.throwsAsync(
    async () => {
      await symlink(elsewhere, dir);
      await open(dir);
    },
    { code: 'BAD_CONFIGURATION' },
  );
  const own = await folder(t);
  store = await open(own);
  await store.stage(small({ seed: 2 }));
  await symlink(join(elsewhere, 'tiny'), join(own, 'tiny'));
  await mkdir(join(own, 'other'));
  await symlink(join(elsewhere, 'tiny', '1'), join(own, 'other', '1'));
  t.deepEqual(
    (await store.scan()).map(({ state, name }) => `${state} ${name}`),
    ['staged tiny', 'damaged other', 'damaged undefined'],
  );
  await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED' });
  await t.throwsAsync(store.load('other', '1'), { code: 'MODEL_DAMAGED' });
  await t.throwsAsync(store.remove('tiny', '1'), { code: 'MODEL_DAMAGED' });
  await t.throwsAsync(store.commit(generationOf(2)), { code: 'BAD_CONFIGURATION', message: /not a folder/ });
  // The link goes, and not what it leads to
  await store.remove('other', '1');
  t.true((await readdir(join(elsewhere, 'tiny', '1'))).includes('model.json'));
  await store.close();
});

test('what an earlier process left half written or half removed is cleared at the start', async (t) => {
  const dir = await folder(t);
  await (await open(dir)).close();
  await mkdir(join(dir, '.partial', 'x'));
  await writeFile(join(dir, '.partial', 'x', 'tensors.bin'), 'half');
  await writeFile(join(dir, '.lock.0123456789abcdef'), 'draft');
  const store = await open(dir);
  t.deepEqual(await readdir(join(dir, '.partial')), []);
  t.deepEqual((await readdir(dir)).sort(), ['.lock', '.partial', '.staged']);
  await store.close();
});

test('one process at a time has a store; the lock of one that is gone is taken over', async (t) => {
  const dir = await folder(t);
  const store = await open(dir);
  const lock = join(dir, '.lock');
  await t.throwsAsync(open(dir), { code: 'BAD_CONFIGURATION', message: new RegExp(`process ${process.pid} uses`) });
  const mine = await readFile(lock, 'utf8');
  await store.close();
  t.deepEqual((await readdir(dir)).sort(), ['.partial', '.staged']);
  const stale = [
    // no process has so high a number
    JSON.stringify({ pid: 2 ** 30 }),
    // the start of a process is not that of another of its number
    ...(process.platform === 'linux' ? [JSON.stringify({ ...JSON.parse(mine), started: 'earlier/1' })] : []),
    '{"pid":',
    '',
  ];
  for (const text of stale) {
    await writeFile(lock, text);
    const next = await open(dir);
    t.is(JSON.parse(await readFile(lock, 'utf8')).pid, process.pid);
    await next.close();
  }
  // Several at once, again and again: one of them gets it
  for (let i = 0; i < 40; i++) {
    await writeFile(lock, stale[0]!);
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => open(dir)));
    const got = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    t.is(got.length, 1);
    for (const one of tries) if (one.status === 'rejected') t.is(one.reason.code, 'BAD_CONFIGURATION');
    await got[0]!.close();
  }
});

test('a tensor takes the bytes of its bits on the disk', async (t) => {
  const dir = await folder(t);
  const store = await open(dir);
  const shape = [100, 10];
  await store.stage(modelOf([{ shape, bits: 64, share: true, openings: [[48, 49]] }]));
  const file = await lstat(join(dir, '.staged', generationOf(1), 'tensors.bin'));
  t.is(file.size, sizeOf(shape) * 8 + 32 + Math.ceil((sizeOf(shape) * 49) / 8));
  await store.close();
});
