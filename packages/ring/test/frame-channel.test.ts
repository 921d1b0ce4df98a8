import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import test from 'ava';
import { availableChannels, availableKernels, FRAME_HEAD, FRAME_TAG, frameChannel } from '../src/index.js';

/** Content of every length up to three rounds of 256 bytes and some, and of large frames. */
const lengths = [...Array.from({ length: 800 }, (_, i) => i), 4095, 4096, 65_537, 2 ** 20 - 20, 2 ** 20];

const nonceOf = (number: number) => {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(number), 4);
  return nonce;
};

/** A frame as node:crypto seals it. */
function sealed(key: Buffer, frame: Buffer, number: number): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number));
  const head = frame.subarray(0, FRAME_HEAD);
  cipher.setAAD(head);
  const content = cipher.update(frame.subarray(FRAME_HEAD, frame.length - FRAME_TAG));
  return Buffer.concat([head, content, cipher.final(), cipher.getAuthTag()]);
}

test('where there are native kernels there is something that seals frames', (t) => {
  const native = availableKernels().length > 1 && process.platform !== 'win32';
  t.is(frameChannel() !== undefined, native);
  t.is(availableChannels().includes('openssl'), native);
  t.is(frameChannel('none'), undefined);
  t.is(frameChannel('toString'), undefined);
});

for (const name of availableChannels()) {
  const channel = frameChannel(name)!;

  test(`${name}: frames of any length are those of node:crypto, both ways`, (t) => {
    for (const length of lengths) {
      const key = randomBytes(32);
      const [seals, opens] = [channel.cipher(key, true), channel.cipher(key, false)];
      for (const number of [0, 1, 255, 2 ** 32 + 7, 2 ** 52 + 1]) {
        // At any place of a buffer, and nothing around it is written
        const at = 1 + (length % 64);
        const room = randomBytes(at + FRAME_HEAD + length + FRAME_TAG + 70);
        const before = Buffer.from(room);
        const frame = room.subarray(at, at + FRAME_HEAD + length + FRAME_TAG);
        const plain = Buffer.from(frame);
        t.true(channel.seal(seals, frame, number));
        if (!frame.equals(sealed(key, plain, number))) t.fail(`${length} bytes, frame ${number}`);
        t.true(channel.open(opens, frame, number));
        if (!frame.subarray(0, -FRAME_TAG).equals(plain.subarray(0, -FRAME_TAG))) t.fail(`${length} bytes opened`);
        frame.copy(before, at);
        t.true(room.equals(before));
        if (length > 1000) break;
      }
    }
  });

  test(`${name}: a frame of which one bit is another does not open, nor under another number or key`, (t) => {
    for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 300]) {
      const key = randomBytes(32);
      const frame = randomBytes(FRAME_HEAD + length + FRAME_TAG);
      channel.seal(channel.cipher(key, true), frame, 9);
      const opens = (bytes: Buffer, k = key, number = 9) =>
        channel.open(channel.cipher(k, false), Buffer.from(bytes), number);
      t.true(opens(frame));
      for (let bit = 0; bit < 8 * frame.length; bit++) {
        const other = Buffer.from(frame);
        other[bit >> 3]! ^= 1 << (bit & 7);
        if (opens(other)) t.fail(`bit ${bit} of a frame of ${length}`);
      }
      t.false(opens(frame, key, 8));
      t.false(opens(frame, randomBytes(32)));
      const cipher = createDecipheriv('aes-256-gcm', key, nonceOf(9));
      cipher.setAAD(frame.subarray(0, FRAME_HEAD));
      cipher.setAuthTag(frame.subarray(-FRAME_TAG));
      cipher.update(frame.subarray(FRAME_HEAD, -FRAME_TAG));
      t.notThrows(() => cipher.final());
    }
  });

  test(`${name}: what is no frame is not sealed, nor under what is no number, and a key has 32 bytes`, (t) => {
    const cipher = channel.cipher(new Uint8Array(32), true);
    t.false(channel.seal(cipher, new Uint8Array(FRAME_HEAD + FRAME_TAG - 1), 0));
    for (const n of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
      t.false(channel.seal(cipher, new Uint8Array(FRAME_HEAD + FRAME_TAG), n));
    for (const n of [0, 16, 31, 33]) t.throws(() => channel.cipher(new Uint8Array(n), true), { message: /32 bytes/ });
  });
}
