/**
 * A client in a process of its own: runs whenever its parent says so, and says what came out. Arguments: the nodes'
 * URLs and the token, as JSON.
 */
import { Session, tokenFrom } from '../src/index.js';
import { dialSocket } from '../src/node.js';
import { nodeName } from '../src/wire/handshake.js';

const { urls, token } = JSON.parse(process.argv[2]!) as {
  urls: Record<'party0' | 'party1' | 'dealer', string>;
  token: string;
};
const s = await Session.connect((role) => dialSocket(urls[role], nodeName[role]), tokenFrom(token));
await s.write(1, Float32Array.of(3, -2), [2]);
const graph = {
  nodes: [
    { op: 'input' as const, slot: 0, in: [], shape: [2] },
    { op: 'square' as const, in: [0], shape: [2] },
  ],
  outputs: [1],
};
process.on('message', async () => {
  try {
    const { outputs } = await s.run({ graph, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
    process.send!({ values: Array.from(outputs[0]!, Math.round) });
  } catch (error) {
    process.send!({ error: (error as Error).message });
  }
});
process.send!({ ready: true });
