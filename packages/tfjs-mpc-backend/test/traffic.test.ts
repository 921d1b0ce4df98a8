/** Everything that a client sends to the three nodes, searched for numbers that are its own. */
import { type RunResult, Session } from '@secformer/party-node';
import { startTrio } from '@secformer/party-node/node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import type { SecformerBackend } from '../src/backend.js';
import { asPublic } from '../src/index.js';
import { compiledFor } from '../src/reads.js';
import { sample } from './harness.js';

const trio = startTrio();
test.after.always(() => trio.stop());

/**
 * Shares what a tensor needs and reads it, in a session of its own. @returns the result, and what was sent to each node
 */
async function recorded(t: tf.Tensor): Promise<{ result: RunResult; sent: Buffer[][] }> {
  const { job, sources } = compiledFor((tf.backend() as SecformerBackend).node(t));
  // Tensors are counted through the whole process, and their numbers have more digits later
  const numbers = [...sources.keys()];
  const renamed = (tensor: number) => 1 + numbers.indexOf(tensor);
  const sent: Buffer[][] = [];
  const session = await Session.connect(async (role) => {
    const link = await trio.dial(role);
    const frames: Buffer[] = [];
    sent.push(frames);
    const send = link.send.bind(link);
    link.send = (frame) => {
      // A sent frame's memory goes to the other thread
      frames.push(Buffer.from(frame));
      return send(frame);
    };
    return link;
  }, trio.token);
  session.prepareAhead = false;
  for (const source of sources.values()) {
    const { tensor, values, shape, fracBits } = source();
    await session.write(renamed(tensor), values, shape, { fracBits });
  }
  const result = await session.run({
    ...job,
    slots: job.slots.map((s) => ('tensor' in s ? { tensor: renamed(s.tensor) } : s)),
  });
  session.close();
  return { result, sent };
}

const ROWS = 9000;
/** Numbers that nothing else here is likely to be, in an order that is not theirs. */
const IDS = [7919, 6101, 8513, 5407];

/** The forms in which these numbers could stand in a message. */
function needles(ids: readonly number[]): Buffer[] {
  const pairs = ids.slice(1).map((id, i) => [ids[i]!, id]);
  const binary = (write: (b: Buffer, v: number, at: number) => void, size: number) =>
    pairs.map((pair) => {
      const b = Buffer.alloc(size * pair.length);
      pair.forEach((v, i) => {
        write(b, v, i * size);
      });
      return b;
    });
  // Which update comes to each place, as a list of picks has it, near the first id that is there
  const places = Array<number>(ROWS).fill(-1);
  ids.forEach((id, i) => {
    places[id] = i;
  });
  return [
    ...pairs.map((pair) => Buffer.from(pair.join())),
    ...pairs.map((pair) => Buffer.from(pair.join(', '))),
    Buffer.from(places.join()),
    ...binary((b, v, at) => b.writeInt32LE(v, at), 4),
    ...binary((b, v, at) => b.writeFloatLE(v, at), 4),
    ...binary((b, v, at) => b.writeDoubleLE(v, at), 8),
    ...binary((b, v, at) => b.writeBigInt64LE(BigInt(v), at), 8),
    ...binary((b, v, at) => b.writeUInt16LE(v, at), 2),
    // In fixed point
    ...binary((b, v, at) => b.writeBigInt64LE(BigInt(v) << 16n, at), 8),
  ];
}

const contains = (sent: readonly Buffer[][], needle: Buffer) =>
  sent.some((frames) => Buffer.concat(frames).includes(needle));

type Ids = (shape?: number[]) => tf.Tensor;
const column = (shape: number[]) =>
  tf.tensor(
    sample(
      shape.reduce((a, b) => a * b, 1),
      -3,
      3,
      11,
    ),
    shape,
  );

const reads: Record<
  string,
  { f: (ids: Ids) => tf.Tensor /** elements that are known */; at: (of: Float32Array) => number[]; want: number[] }
> = {
  gatherND: {
    f: (ids) => tf.gatherND(column([ROWS, 1]), ids([4, 1])),
    at: (v) => Array.from(v),
    want: IDS.map((id) => sample(ROWS, -3, 3, 11)[id]!),
  },
  gather: {
    f: (ids) => tf.gather(column([ROWS, 1]), ids() as tf.Tensor1D),
    at: (v) => Array.from(v),
    want: IDS.map((id) => sample(ROWS, -3, 3, 11)[id]!),
  },
  scatterND: {
    f: (ids) => tf.scatterND(ids([4, 1]), column([4]), [ROWS]),
    at: (v) => IDS.map((id) => v[id]!),
    want: Array.from(sample(4, -3, 3, 11)),
  },
  unsortedSegmentSum: {
    f: (ids) => tf.unsortedSegmentSum(column([4, 1]), ids() as tf.Tensor1D, ROWS),
    at: (v) => IDS.map((id) => v[id]!),
    want: Array.from(sample(4, -3, 3, 11)),
  },
  bincount: {
    f: (ids) => tf.bincount(ids() as tf.Tensor1D, column([4]) as tf.Tensor1D, ROWS),
    at: (v) => IDS.map((id) => v[id]!),
    want: Array.from(sample(4, -3, 3, 11)),
  },
  sparseToDense: {
    f: (ids) => tf.sparseToDense(ids(), column([4]), [ROWS], tf.scalar(-2)),
    at: (v) => [...IDS.map((id) => v[id]!), v[0]!],
    want: [...sample(4, -3, 3, 11), -2],
  },
  tensorScatterUpdate: {
    f: (ids) => tf.tensorScatterUpdate(tf.mul(column([ROWS]), column([ROWS])), ids([4, 1]), column([4])),
    at: (v) => [...IDS.map((id) => v[id]!), v[1]!],
    want: [...sample(4, -3, 3, 11), sample(2, -3, 3, 11)[1]! ** 2],
  },
};

const idsOf =
  (list: number[], open: boolean): Ids =>
  (shape = [list.length]) => {
    const t = tf.tensor(list, shape, 'int32');
    return open ? asPublic(t) : t;
  };

for (const [name, { f, at, want }] of Object.entries(reads)) {
  test.serial(`nothing that is sent for ${name} tells its indices`, async (t) => {
    t.timeout(120_000);
    const { result, sent } = await recorded(f(idsOf(IDS, false)));
    t.is(sent.length, 3);
    t.true(sent.every((frames) => frames.length > 2));
    const got = at(result.outputs[0]!);
    want.forEach((v, i) => {
      t.true(Math.abs(v - got[i]!) < 1e-3, `${got[i]} for ${v}`);
    });
    for (const needle of needles(IDS))
      t.false(contains(sent, needle), `found ${needle.toString('latin1').slice(0, 40)}`);
    // Nor does its length, to any node
    const other = await recorded(f(idsOf([17, 17, 0, 8999], false)));
    const lengths = (frames: Buffer[][]) => frames.map((list) => list.map((frame) => frame.length));
    t.deepEqual(lengths(other.sent), lengths(sent));
  });

  // A lookup by gather is private in any case
  if (name === 'gather') continue;
  test.serial(`what is sent for ${name} tells indices that are declared public`, async (t) => {
    t.timeout(120_000);
    const { result, sent } = await recorded(f(idsOf(IDS, true)));
    const got = at(result.outputs[0]!);
    want.forEach((v, i) => {
      t.true(Math.abs(v - got[i]!) < 1e-3, `${got[i]} for ${v}`);
    });
    t.is(
      sent.filter((frames) => needles(IDS).some((needle) => contains([frames], needle))).length,
      3,
      'each of the three nodes is told',
    );
  });
}
