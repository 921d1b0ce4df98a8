import test from 'ava';
import { startLocalNodes } from '../../src/node.js';
import { connect, honestRun, linesOf, secretFiles, sleep, startNode, until } from './kit.js';

/**
 * Proves that a party which is started twice by mistake harms nobody: the first keeps its links and every run works,
 * the second says once to each node that it dials why it is not let in, and goes on asking quietly. Fails where a
 * newcomer throws out who is there: the two take turns then, and runs end in the middle.
 */
test.serial('the same party twice: the first stays, the second says why it waits', async (t) => {
  t.timeout(90_000);
  const nodes = await startLocalNodes();
  const { path, remove } = secretFiles({ node: nodes.nodeToken, client: nodes.token });
  t.teardown(() => {
    nodes.stop();
    remove();
  });
  const tokens = ['--node-token-file', path.node, '--client-token-file', path.client];
  const second = await startNode(
    'party',
    '--index',
    '1',
    '--dealer',
    nodes.urls.dealer,
    '--peer',
    nodes.urls.party0,
    ...tokens,
  );
  t.teardown(() => second.child.kill('SIGKILL'));
  t.true(await until(() => linesOf(second.log, 'unreachable').length === 2));
  const began = performance.now();
  const session = await connect(nodes);
  for (let run = 1; run <= 20; run++) {
    await honestRun(session, run);
    await sleep(100);
  }
  session.close();
  // It has asked several times by now: the pauses grow to four seconds
  await sleep(Math.max(0, 6_000 - (performance.now() - began)));
  const lines = linesOf(second.log, 'unreachable');
  t.log(
    `the second said in ${((performance.now() - began) / 1000).toFixed()} s: ` +
      `${JSON.stringify(lines.map(({ node, code }) => [node, code]))}`,
  );
  t.deepEqual(lines.map(({ node, code }) => [node, code]).sort(), [
    ['dealer', 'ALREADY_CONNECTED'],
    ['party 0', 'ALREADY_CONNECTED'],
  ]);
  for (const role of ['party0', 'dealer'] as const) {
    t.deepEqual(
      linesOf(nodes.log(role), 'left').filter(({ node }) => node !== 'client'),
      [],
      `party 1 never left ${role}`,
    );
    t.true(linesOf(nodes.log(role), 'refused').length <= 2, 'nor does the second fill the logs of the others');
  }

  // The first ends: the second is let in at its next try
  nodes.processes.party1.kill('SIGKILL');
  t.true(await until(() => linesOf(second.log, 'ready').length === 1));
  const again = await connect({ token: nodes.token, urls: { ...nodes.urls, party1: second.url } });
  await honestRun(again);
  again.close();
});
