/** A publisher or a client as a process: `host-client.js publish|ask NETWORK KEY [GRANT]`; says what came of it. */
import { readFileSync } from 'node:fs';
import { Asking, Session } from '../../src/index.js';
import { dialSocket, readKeyFile, readNetworkFile } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import type { NodeRole } from '../../src/wire/tokens.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';

const [what, network, key, grant] = process.argv.slice(2) as [string, string, string, string?];
const { urls, keys: nodes } = readNetworkFile(network);
const { secret } = readKeyFile(key);
const dial = (role: NodeRole) => dialSocket(urls[role], nodeName[role], { pinned: true });

async function publish(): Promise<unknown> {
  const session = await Session.connect(dial, { key: secret, nodes });
  await session.write(1, table, [ROWS, WIDTH]);
  await session.write(2, weights, [WIDTH, 3]);
  const { name, version } = await session.publish({ ...requestOf(), key: secret });
  session.close();
  return { published: `${name}@${version}` };
}

async function ask(): Promise<unknown> {
  const asking = await Asking.connect(dial, { key: secret, nodes, grant: readFileSync(grant!, 'utf8') });
  const off = Math.max(await askSmall(asking), await askSmall(asking, 9));
  asking.close();
  return { off };
}

try {
  process.stdout.write(JSON.stringify(await (what === 'publish' ? publish() : ask())));
} catch (error) {
  const { code, message } = error as Error & { code?: string };
  process.stdout.write(JSON.stringify({ code, message }));
}
