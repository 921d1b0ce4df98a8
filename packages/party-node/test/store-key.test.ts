import { randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { readStoreKey } from '../src/node/store-key.js';
import { writeToken } from '../src/node/token-files.js';
import { folder } from './stored-model.js';

test('a data key is 32 bytes in base64 or hex, and its owner’s alone', async (t) => {
  const dir = await folder(t);
  await mkdir(dir);
  const file = join(dir, 'key');
  const bytes = randomBytes(32);
  for (const form of ['hex', 'base64', 'base64url'] as const) {
    await writeFile(file, `${bytes.toString(form)}\n`, { mode: 0o600 });
    t.deepEqual(Buffer.from(readStoreKey(file).bytes), bytes);
  }
  for (const text of ['', 'a password', bytes.subarray(1).toString('hex'), randomBytes(33).toString('base64')]) {
    await writeFile(file, text);
    const error = t.throws(() => readStoreKey(file), { code: 'BAD_CONFIGURATION', message: /32 random bytes/ });
    t.false(text !== '' && error!.message.includes(text));
  }
  writeToken(join(dir, 'token'));
  t.is(readStoreKey(join(dir, 'token')).bytes.length, 32);
  t.throws(() => readStoreKey(join(dir, 'none')), { code: 'BAD_CONFIGURATION' });
  if (process.platform === 'win32') return;
  await writeFile(file, bytes.toString('hex'));
  await chmod(file, 0o640);
  t.throws(() => readStoreKey(file), { code: 'BAD_CONFIGURATION', message: /chmod 600/ });
});
