import { cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { chunksOf, lengthsOf, readChunks, writeChunks } from '../src/store/chunked-file.js';
import { Damage } from '../src/store/failures.js';
import { ModelStore, type StoreOptions } from '../src/store/model-store.js';
import { SALT_BYTES, Sealing, TAG_BYTES } from '../src/store/sealing.js';
import { diskFs } from '../src/store/store-fs.js';
import { folder, generationOf, kernels, modelOf, small, storeKey } from './stored-model.js';
import { systemError, watchedFs } from './watched-fs.js';

const open = (dir: string, options: Partial<StoreOptions> = {}) =>
  ModelStore.open(dir, { kernels, node: 'dealer', chunkBytes: 100, ...options });

const FILES = ['model.json', 'manifest.json', 'program-0.json', 'asset-0', 'layout.json', 'tensors.bin'];

async function alter(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  await writeFile(path, bytes);
}

/** Ways to damage a file, and whether a look at the folder finds them, which reads an index and a manifest only. */
const damages: Record<string, { damage(path: string): Promise<void>; seen: boolean }> = {
  'cut short': { damage: async (path) => truncate(path, (await stat(path)).size - 1), seen: true },
  emptied: { damage: (path) => truncate(path, 0), seen: true },
  longer: { damage: (path) => writeFile(path, 'x', { flag: 'a' }), seen: true },
  missing: { damage: (path) => rm(path), seen: true },
  'a folder': {
    damage: async (path) => {
      await rm(path);
      await mkdir(path);
    },
    seen: true,
  },
  'altered at its start': { damage: (path) => alter(path, 0), seen: false },
  'altered in its middle': {
    damage: async (path) => alter(path, (await stat(path)).size >> 1),
    seen: false,
  },
  'altered at its end': { damage: (path) => alter(path, -1), seen: false },
};

for (const key of [undefined, storeKey()])
  test(`damage is reported, and nothing goes by itself (${key ? 'encrypted' : 'in the clear'})`, async (t) => {
    const dir = await folder(t);
    const store = await open(dir, { key });
    const [model, other] = [small(), small({ name: 'other', seed: 2 })];
    for (const each of [model, other]) {
      await store.stage(each);
      await store.commit(each.generation);
    }
    const [at, whole] = [join(dir, 'tiny', '1'), join(dir, '..', 'whole')];
    await cp(at, whole, { recursive: true });
    for (const file of FILES)
      for (const [how, { damage, seen }] of Object.entries(damages)) {
        const what = `${file} is ${how}`;
        await damage(join(at, file));
        const found = await store.scan();
        t.is(found.length, 2, what);
        const told = found.find((m) => m.name === 'tiny')!;
        if (seen || file === 'model.json' || file === 'manifest.json') {
          t.is(told.state, 'damaged', what);
          t.true(told.live);
          t.is(told.version, '1');
          t.truthy(told.why, what);
        }
        const error = await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED' }, what);
        t.regex(error!.message, /tiny@1 cannot be used: .*; restore/, what);
        t.false(error!.message.includes(dir), what);
        t.deepEqual(await store.load('other', '1'), other, what);
        t.true((await readdir(at)).length > 4, what);
        await rm(at, { recursive: true });
        await cp(whole, at, { recursive: true });
      }
    await writeFile(join(at, 'extra'), '');
    t.regex((await store.scan()).find((m) => m.name === 'tiny')!.why!, /"extra"/);
    await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED' });
    await rm(join(at, 'extra'));
    t.deepEqual(await store.load('tiny', '1'), model);
    // What is damaged may be removed by whoever says so
    await rm(join(at, 'tensors.bin'));
    await store.remove('tiny', '1');
    t.deepEqual(
      (await store.scan()).map(({ name, state }) => `${name} ${state}`),
      ['other live'],
    );
    await store.close();
  });

test('a model that waits is looked at before it is served', async (t) => {
  const dir = await folder(t);
  const store = await open(dir);
  const { generation } = small();
  await store.stage(small());
  await rm(join(dir, '.staged', generation, 'tensors.bin'));
  const [found] = await store.scan();
  t.is(found!.state, 'damaged');
  t.is(found!.generation, generation);
  t.false(found!.live);
  await t.throwsAsync(store.commit(generation), { code: 'MODEL_DAMAGED' });
  await store.discard(generation);
  t.deepEqual(await store.scan(), []);
  await store.close();
});

test('a folder in the place of another model is none', async (t) => {
  const dir = await folder(t);
  const store = await open(dir, { key: storeKey() });
  const model = small();
  await store.stage(model);
  await store.commit(model.generation);
  await store.stage(small({ version: '2', seed: 2 }));
  await rename(join(dir, 'tiny', '1'), join(dir, 'tiny', '3'));
  await rename(join(dir, '.staged', generationOf(2)), join(dir, '.staged', generationOf(3)));
  for (const name of ['tiny/not a version', 'a model', '.staged/none']) await mkdir(join(dir, name));
  const found = await store.scan();
  t.is(found.length, 5);
  for (const { state } of found) t.is(state, 'damaged');
  await t.throwsAsync(store.load('tiny', '3'), { code: 'MODEL_DAMAGED', message: /place of another/ });
  await t.throwsAsync(store.commit(generationOf(3)), { code: 'MODEL_DAMAGED', message: /place of another/ });
  await store.close();
});

test('what is encrypted is read under its key alone, and nothing in the clear beside it', async (t) => {
  const dir = await folder(t);
  const [key, model, clear] = [storeKey(), small(), small({ name: 'clear', seed: 2 })];
  const stored = async (options: Partial<StoreOptions>, each = model) => {
    const store = await open(dir, options);
    await store.stage(each);
    await store.commit(each.generation);
    await store.close();
  };
  await stored({ key });
  await stored({}, clear);
  for (const [options, tiny, other] of [
    [{ key }, 'live', /without encryption/],
    [{ key: storeKey(2) }, /another key/, /without encryption/],
    [{}, /no key/, 'live'],
  ] as const) {
    const store = await open(dir, options);
    for (const [name, want] of [
      ['tiny', tiny],
      ['clear', other],
    ] as const) {
      const found = (await store.scan()).find((m) => m.name === name)!;
      if (want === 'live') {
        t.is(found.state, 'live');
        t.deepEqual(await store.load(name, '1'), name === 'tiny' ? model : clear);
      } else {
        t.regex(found.why!, want);
        await t.throwsAsync(store.load(name, '1'), { code: 'MODEL_DAMAGED', message: want });
      }
    }
    await store.close();
  }
});

test('of an encrypted model no text, share or key lies on the disk', async (t) => {
  const dir = await folder(t);
  const [pattern, secret] = ['a text that is easily found', 0x0123_4567_89ab_cdefn];
  const forms = [{ shape: [64], bits: 64, share: true, openings: [[64, 64]] as [number, number][] }];
  const model = modelOf(forms, { texts: [pattern], assets: [pattern] });
  const [tensor] = model.tensors;
  tensor!.share!.fill(secret);
  tensor!.openings[0]!.words.fill(secret);
  const word = Buffer.from(tensor!.share!.buffer, 0, 8);
  const wanted = [Buffer.from(pattern), word, Buffer.from(tensor!.openings[0]!.key), Buffer.from('"signature"')];
  for (const key of [undefined, storeKey()]) {
    const store = await open(dir, { key });
    await store.stage(model);
    const at = join(dir, '.staged', model.generation);
    const texts = await Promise.all((await readdir(at)).map((name) => readFile(join(at, name))));
    for (const bytes of wanted)
      t.is(
        texts.some((text) => text.includes(bytes)),
        key === undefined,
      );
    await store.discard(model.generation);
    await store.close();
  }
});

test('a model that is stored again shares no byte of its files with what was, and takes none of them', async (t) => {
  const dir = await folder(t);
  const store = await open(dir, { key: storeKey() });
  const model = small();
  const [at, before] = [join(dir, '.staged', model.generation), join(dir, '..', 'before')];
  await store.stage(model);
  await cp(at, before, { recursive: true });
  await store.discard(model.generation);
  await store.stage(model);
  for (const name of FILES.slice(1)) {
    const [old, fresh] = await Promise.all([before, at].map((of) => readFile(join(of, name))));
    t.is(old!.length, fresh!.length);
    t.notDeepEqual(old!.subarray(0, SALT_BYTES), fresh!.subarray(0, SALT_BYTES), name);
    // Where streams were the same, so would all bytes be
    const same = fresh!.filter((byte, i) => byte === old![i]).length;
    t.true(same <= 8 + fresh!.length / 16, `${name}: ${same} of ${fresh!.length}`);
  }
  await store.commit(model.generation);
  const live = join(dir, 'tiny', '1');
  for (const name of FILES) {
    const fresh = await readFile(join(live, name));
    await cp(join(before, name), join(live, name));
    await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED' }, name);
    await writeFile(join(live, name), fresh);
  }
  t.deepEqual(await store.load('tiny', '1'), model);
  await store.close();
});

test('chunks are bound to their place, file, length and sharing, by their tags alone', async (t) => {
  const dir = await folder(t);
  await mkdir(dir);
  const sealing = new Sealing(storeKey());
  const content = Uint8Array.from({ length: 350 }, (_, i) => i);
  const place = { generation: generationOf(1), file: 'a', total: content.length };
  const record = await writeChunks(diskFs, dir, place, sealing, chunksOf(content, 100));
  const read = async (
    as: Partial<typeof place>,
    change: (chunks: Buffer[]) => Buffer[],
    lengths = lengthsOf(350, 100),
  ) => {
    const bytes = await readFile(join(dir, 'a'));
    const size = 100 + TAG_BYTES;
    const chunks = [0, 1, 2, 3].map((i) => bytes.subarray(SALT_BYTES + i * size, SALT_BYTES + (i + 1) * size));
    const changed = Buffer.concat([bytes.subarray(0, SALT_BYTES), ...change(chunks)]);
    const file = as.file ?? 'b';
    await writeFile(join(dir, file), changed);
    const { createHash } = await import('node:crypto');
    // As one who may write what hash it likes
    const sha256 = createHash('sha256').update(changed).digest('hex');
    const from = { ...place, ...as };
    const out: Uint8Array[] = [];
    const known = { ...record, bytes: changed.length, sha256 };
    // Under the name of the file that it was
    const named = { ...diskFs, open: () => diskFs.open(join(dir, file)) };
    for await (const chunk of readChunks(named, dir, from, sealing, known, lengths)) out.push(chunk);
    return Buffer.concat(out);
  };
  t.deepEqual(new Uint8Array(await read({}, (chunks) => chunks)), content);
  const altered = { instanceOf: Damage, message: /altered/ };
  await t.throwsAsync(
    read({}, ([a, b, c, d]) => [b!, a!, c!, d!]),
    altered,
  );
  await t.throwsAsync(
    read({}, ([a, b, , d]) => [a!, b!, b!, d!]),
    altered,
  );
  await t.throwsAsync(
    read({ file: 'c' }, (chunks) => chunks),
    altered,
  );
  await t.throwsAsync(
    read({ generation: generationOf(2) }, (chunks) => chunks),
    altered,
  );
  await t.throwsAsync(
    read({ total: 300 }, (chunks) => chunks.slice(0, 3), lengthsOf(300, 100)),
    altered,
  );
});

test('where the disk fails at any moment nothing of a model that was to be stored stays', async (t) => {
  const codes = {
    ENOSPC: 'LIMIT_EXCEEDED',
    EDQUOT: 'LIMIT_EXCEEDED',
    EACCES: 'BAD_CONFIGURATION',
    EIO: 'BAD_CONFIGURATION',
  };
  const dir = await folder(t);
  const model = small();
  let [calls, fails, code] = [0, -1, 'EIO'];
  const store = await open(dir, {
    fs: watchedFs(() => {
      if (calls++ === fails) throw systemError(code);
    }),
  });
  calls = 0;
  await store.stage(model);
  const all = calls;
  t.true(all > 30);
  await store.discard(model.generation);
  for (const [i, [system, own]] of Object.entries(codes).entries())
    for (let at = i; at < all; at += i === 0 ? 1 : 7) {
      [calls, fails, code] = [0, at, system];
      const error = await t.throwsAsync(store.stage(model), { code: own }, `${system} at ${at}`);
      t.false(error!.message.includes(dir));
      fails = -1;
      t.deepEqual(await store.scan(), [], `${system} at ${at}`);
      t.deepEqual(await readdir(join(dir, '.partial')), []);
    }
  await store.stage(model);
  await store.commit(model.generation);
  t.deepEqual(await store.load('tiny', '1'), model);
  await store.close();
});

test('a disk that stays full, and files that may not be read', async (t) => {
  const dir = await folder(t);
  let refused: [name: string, path: RegExp, code: string] | undefined;
  const store = await open(dir, {
    fs: watchedFs(({ name, path }) => {
      if (refused && name === refused[0] && refused[1].test(path)) throw systemError(refused[2]);
    }),
  });
  const [model, other] = [small(), small({ name: 'other', seed: 2 })];
  for (const each of [model, other]) {
    await store.stage(each);
    await store.commit(each.generation);
  }
  refused = ['write', /tensors/, 'ENOSPC'];
  await t.throwsAsync(store.stage(small({ version: '2', seed: 3 })), {
    code: 'LIMIT_EXCEEDED',
    message: /disk is full/,
  });
  t.deepEqual(await readdir(join(dir, '.partial')), []);
  refused = ['open', /tiny/, 'EACCES'];
  t.regex((await store.scan()).find((m) => m.name === 'tiny')!.why!, /may not read it \(EACCES\)/);
  await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED', message: /EACCES/ });
  t.deepEqual(await store.load('other', '1'), other);
  refused = ['list', /tiny$/, 'EACCES'];
  t.deepEqual(
    (await store.scan()).map(({ name, state }) => `${name} ${state}`),
    ['other live', 'tiny damaged'],
  );
  refused = ['read', /tiny.*tensors/, 'EIO'];
  await t.throwsAsync(store.load('tiny', '1'), { code: 'MODEL_DAMAGED', message: /EIO/ });
  refused = undefined;
  t.deepEqual(await store.load('tiny', '1'), model);
  refused = ['list', /models$/, 'EACCES'];
  await t.throwsAsync(store.scan(), { code: 'BAD_CONFIGURATION', message: /EACCES/ });
  await store.close();
  await t.throwsAsync(open(dir, { fs: watchedFs(() => Promise.reject(systemError('EACCES'))) }), {
    code: 'BAD_CONFIGURATION',
    message: /EACCES/,
  });
});
