/** Three processes that know one another by keys, a publisher, and clients with grants. */
import test from 'ava';
import { Asking, Session } from '../src/index.js';
import { dialSocket, type LocalService, startLocalService } from '../src/node.js';
import type { NodeRole } from '../src/wire/tokens.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from './publishing.js';

const BAR = 2 ** -12;
const service = await startLocalService();
test.after.always(() => service.stop());

const dial = (s: LocalService) => (role: NodeRole) => dialSocket(s.network.urls[role], 'client', { pinned: true });
const asking = (who: { key: never; grant: string }) =>
  Asking.connect(dial(service), { ...who, nodes: service.network.keys });

test.serial('a publisher publishes, clients with grants ask, before and after every node was killed', async (t) => {
  const session = await Session.connect(dial(service), {
    key: service.publisher.secret,
    nodes: service.network.keys,
  });
  await session.write(1, table, [ROWS, WIDTH]);
  await session.write(2, weights, [WIDTH, 3]);
  await session.publish({ ...requestOf(), key: service.publisher.secret });
  session.close();
  const who = await service.grant({ model: 'small' });
  const client = await asking(who as never);
  t.true((await askSmall(client)) < BAR);
  client.close();
  for (const role of ['party0', 'dealer', 'party1'] as const) {
    await service.kill(role);
    await service.restart(role);
  }
  for (let tries = 0; ; tries++) {
    const again = await asking(who as never);
    const off = await askSmall(again).catch((error: Error & { code?: string }) => error);
    again.close();
    if (typeof off === 'number') {
      t.true(off < BAR);
      break;
    }
    if (tries > 20) throw off;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
});
