import { type AddressInfo, connect, createServer } from 'node:net';
import { startLocalNodes } from '@secformer/party-node/node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { EncodingError, prepare, share } from '../src/index.js';
import { protocols, sample } from './harness.js';

/** A port that passes everything on to another and counts what the client sends. */
async function recorded(url: string): Promise<{ url: string; sent(): number; close(): void }> {
  let bytes = 0;
  const server = createServer((client) => {
    const node = connect(Number(new URL(url).port), '127.0.0.1');
    client.on('data', (chunk) => {
      bytes += chunk.length;
    });
    client.pipe(node).pipe(client);
    for (const [one, other] of [
      [client, node],
      [node, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => bytes,
    close: () => server.close(),
  };
}

/** WebSocket pings of a test's length. */
const PINGS = 200;

test('a value out of range is refused before anything of its read is sent, later batches included', async (t) => {
  t.timeout(120_000);
  const nodes = await startLocalNodes();
  const links = await Promise.all([nodes.urls.party0, nodes.urls.party1, nodes.urls.dealer].map(recorded));
  t.teardown(() => {
    protocols();
    for (const l of links) l.close();
    nodes.stop();
  });
  const [party0, party1, dealer] = links.map((l) => l.url) as [string, string, string];
  protocols({ parties: [party0, party1], dealer, token: nodes.token });
  const sent = () => links.map((l) => l.sent());

  // More than one batch, of which the last holds the culprit
  const large = () => tf.tensor2d(sample(1_200_000, -1, 1), [1_200_000, 1]);
  const bads: [number, RegExp][] = [
    [
      1e6,
      /^client: element 1 of a tensor of shape \[2\] is larger than 16384; .* hold \|v\| ≤ 16384: scale it, or clip it/,
    ],
    [Number.NaN, /^client: element 1 of a tensor of shape \[2\] is not finite/],
    [Number.NEGATIVE_INFINITY, /^client: element 1 of a tensor of shape \[2\] is not finite/],
  ];
  const reads: Record<string, (y: tf.Tensor) => unknown> = {
    data: (y) => y.data(),
    dataSync: (y) => y.dataSync(),
    share,
    prepare,
  };
  for (const connected of [false, true]) {
    if (connected) t.true(Math.abs((await tf.relu(tf.tensor1d([-1, 2])).data())[1]! - 2) < 1e-3);
    for (const [value, message] of bads) {
      for (const [name, read] of Object.entries(reads)) {
        const before = sent();
        const y = tf.tidy(() => tf.add(tf.sum(large()), tf.tensor1d([1, value])));
        await t.throwsAsync(
          async () => read(y),
          { instanceOf: EncodingError, code: 'VALUE_OUT_OF_RANGE', message },
          `${name} of ${value}`,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
        for (const [i, bytes] of sent().entries())
          t.true(
            bytes - before[i]! < (connected ? PINGS : 1),
            `${name} of ${value} sent ${bytes - before[i]!} bytes to node ${i}`,
          );
        y.dispose();
      }
    }
  }
  const y = tf.tidy(() => tf.add(tf.sum(large()), tf.tensor1d([1, 2])));
  await share(y);
  t.true(
    sent().some((bytes) => bytes > 1_000_000),
    'the links are recorded',
  );
});
