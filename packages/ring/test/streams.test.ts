import { inspect } from 'node:util';
import test from 'ava';
import { deriveRunKey, loadKernels, Purpose, RunStreams, Secret, Share, StreamReuseError } from '../src/index.js';

const kernels = await loadKernels();
const hex = (s: string) =>
  Uint8Array.from(
    s
      .replace(/\s+/g, '')
      .match(/../g)!
      .map((b) => Number.parseInt(b, 16)),
  );

test('ChaCha20 block of RFC 8439, section 2.3.2', (t) => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const out = new Uint8Array(64);
  kernels.chacha20(key, out, 1, hex('000000090000004a00000000'));
  t.deepEqual(
    out,
    hex(`10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
         d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e`),
  );
});

test('ChaCha20 key streams of RFC 8439, appendix A.1, vectors 1, 2 and 3', (t) => {
  const zero = new Uint8Array(32);
  const out = new Uint8Array(128);
  kernels.chacha20(zero, out, 0);
  t.deepEqual(out.slice(0, 32), hex('76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7'));
  t.deepEqual(out.slice(64, 96), hex('9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed'));
  const key = new Uint8Array(32);
  key[31] = 1;
  const third = new Uint8Array(64);
  kernels.chacha20(key, third, 1);
  t.deepEqual(third.slice(0, 32), hex('3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a'));
});

test('a long stream is its blocks in order, whatever the draws', (t) => {
  const key = new Secret(new Uint8Array(32).fill(7));
  const whole = new Uint8Array(200_000);
  kernels.chacha20(key.bytes, whole);
  const part = new Uint8Array(64);
  kernels.chacha20(key.bytes, part, 3000);
  t.deepEqual(part, whole.slice(192_000, 192_064));
});

test('a claimed stream cannot be claimed again, and only a claimed one regenerates', (t) => {
  const streams = new RunStreams(kernels, new Secret(new Uint8Array(32).fill(1)));
  t.throws(() => streams.regenerate(Purpose.mask, 3, 0), { instanceOf: StreamReuseError });
  const first = streams.claim(Purpose.mask, 3, 0).words(10, 64);
  t.throws(() => streams.claim(Purpose.mask, 3, 0), { instanceOf: StreamReuseError });
  t.throws(() => streams.claim(Purpose.mask, 2, 9), { instanceOf: StreamReuseError });
  t.deepEqual(streams.regenerate(Purpose.mask, 3, 0).words(10, 64), first);
  t.notDeepEqual(streams.claim(Purpose.correction, 3, 0).words(10, 64), first);
});

test('run keys differ by seed and by run', (t) => {
  const seed = new Secret(new Uint8Array(32).fill(1));
  const a = deriveRunKey(seed, new Uint8Array(16).fill(1));
  t.notDeepEqual(a.bytes, deriveRunKey(seed, new Uint8Array(16).fill(2)).bytes);
  t.notDeepEqual(a.bytes, deriveRunKey(new Secret(new Uint8Array(32).fill(2)), new Uint8Array(16).fill(1)).bytes);
  t.deepEqual(a.bytes, deriveRunKey(seed, new Uint8Array(16).fill(1)).bytes);
});

test('shares and secrets never print what they hold', (t) => {
  const share = new Share(BigUint64Array.of(123456789n, 5n), [1, 2]);
  const secret = new Secret(new Uint8Array(32).fill(201));
  for (const text of [
    String(share),
    inspect(share),
    JSON.stringify(share),
    inspect({ share }, { depth: 9, showHidden: true }),
  ]) {
    t.regex(text, /Share 1x2/);
    t.notRegex(text, /123456789/);
  }
  for (const text of [String(secret), inspect(secret), JSON.stringify({ secret })]) {
    t.regex(text, /Secret/);
    t.notRegex(text, /201/);
  }
});
