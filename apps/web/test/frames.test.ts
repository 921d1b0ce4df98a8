/** What is read of the frames that leave the page. */
import test from 'ava';
import { FrameReader, KEPT } from '../src/worker/frames.js';

/** A frame as party-node writes one. */
function frame(kind: 0 | 1, id: number, total: number, header: object | undefined, body: Uint8Array): Uint8Array {
  const json = header ? new TextEncoder().encode(JSON.stringify(header)) : new Uint8Array(0);
  const bytes = new Uint8Array(16 + json.length + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 4);
  view.setUint8(1, kind);
  view.setUint16(2, json.length, true);
  view.setUint32(4, id, true);
  view.setFloat64(8, total, true);
  bytes.set(json, 16);
  bytes.set(body, 16 + json.length);
  return bytes;
}

const counted = (n: number, from = 0) => Uint8Array.from({ length: n }, (_, i) => from + i);

test('the handshake is passed over, and so is what is no message', (t) => {
  const reader = new FrameReader();
  t.is(reader.read(frame(0, 1, 0, { t: 'hello' }, counted(0))), undefined);
  t.is(reader.read(frame(0, 2, 0, { t: 'proof' }, counted(0))), undefined);
  t.is(reader.read(frame(1, 7, 5, undefined, counted(5))), undefined);
  t.is(reader.read(counted(3)), undefined);
  const broken = frame(0, 1, 0, { t: 'run' }, counted(0));
  broken[16] = 0;
  t.is(reader.read(broken), undefined);
});

test('of a message in several frames the data is what follows the names, and its first bytes are kept', (t) => {
  const reader = new FrameReader();
  const header = { t: 'run', names: 4 };
  const first = frame(0, 3, 2004, header, counted(10));
  t.like(reader.read(first), { id: 3, name: 'run', dataBytes: 2000, bytes: first.length, data: counted(6, 4) });
  const next = frame(1, 3, 2004, undefined, new Uint8Array(1994));
  const whole = reader.read(next)!;
  t.is(whole.bytes, first.length + next.length);
  t.is(whole.data.length, KEPT);
  t.deepEqual(whole.data.subarray(0, 6), counted(6, 4));
  t.is(whole.header, JSON.stringify(header));
  t.is(reader.read(next), undefined, 'the message was complete');
});

test('names that fill more than the first frame are no data', (t) => {
  const reader = new FrameReader();
  t.is(reader.read(frame(0, 1, 12, { t: 'run', names: 8 }, counted(5)))!.data.length, 0);
  t.deepEqual(reader.read(frame(1, 1, 12, undefined, counted(7, 5)))!.data, counted(4, 8));
});

test('messages of one connection do not mix, and what a run is bound to is no data', (t) => {
  const reader = new FrameReader();
  reader.read(frame(0, 1, 4, { t: 'put' }, counted(2)));
  t.like(reader.read(frame(0, 2, 2, { t: 'prepare' }, counted(2))), { name: 'prepare', dataBytes: 0 });
  t.deepEqual(reader.read(frame(1, 1, 4, undefined, counted(2, 2)))!.data, counted(4));
});
