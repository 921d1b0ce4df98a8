import { randomBytes } from 'node:crypto';
import test from 'ava';
import { NodeError } from '../../src/index.js';
import { startLocalNodes } from '../../src/node.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { connect, honest, honestRun, linesOf, secretFiles, sleep, startNode, targetOf, until } from './kit.js';
import { openWeb, webFrame } from './web.js';

/**
 * Proves that whoever is refused learns why, by a code that names what to look at: the client, and the operator of a
 * node, in its log.
 */
test.serial('wrong tokens and swapped addresses are said for what they are', async (t) => {
  t.timeout(60_000);
  const nodes = await startLocalNodes();
  const { path, remove } = secretFiles({
    node: nodes.nodeToken,
    client: nodes.token,
    other: randomBytes(32).toString('base64'),
  });
  t.teardown(() => {
    nodes.stop();
    remove();
  });
  await t.throwsAsync(connect({ ...nodes, token: 'another' }), { instanceOf: NodeError, code: 'NOT_AUTHENTICATED' });
  const swapped = { ...nodes.urls, dealer: nodes.urls.party0 };
  await t.throwsAsync(connect({ ...nodes, urls: swapped }), {
    instanceOf: NodeError,
    code: 'NOT_AUTHENTICATED',
    message: /expected dealer .*found party0/,
  });

  const clients = ['--client-token-file', path.client];
  const stranger = await startNode(
    'party',
    '--index',
    '1',
    '--dealer',
    nodes.urls.dealer,
    '--peer',
    nodes.urls.party0,
    ...clients,
    '--node-token-file',
    path.other,
  );
  t.teardown(() => stranger.child.kill('SIGKILL'));
  const lost = await startNode(
    'party',
    '--index',
    '1',
    '--dealer',
    nodes.urls.party0,
    '--peer',
    nodes.urls.dealer,
    ...clients,
    '--node-token-file',
    path.node,
  );
  t.teardown(() => lost.child.kill('SIGKILL'));
  t.true(await until(() => [stranger, lost].every(({ log }) => linesOf(log, 'unreachable').length >= 2)));
  // A second try or two of each, which are not said
  await sleep(2_000);
  for (const { log } of [stranger, lost]) {
    t.deepEqual(
      linesOf(log, 'unreachable').map(({ code }) => code),
      ['NOT_AUTHENTICATED', 'NOT_AUTHENTICATED'],
    );
  }
  t.regex(
    String(linesOf(lost.log, 'unreachable').find(({ node }) => node === 'dealer')!.why),
    /expected dealer .*found party0/,
  );
  for (const role of NODES) {
    const refused = linesOf(nodes.log(role), 'refused').map(({ code }) => code);
    t.log(`${role} said: ${refused}`);
    // One line of each kind in a minute, however often it is tried
    t.is(new Set(refused).size, refused.length);
  }
  await honest(nodes);
});

/** Proves that a node's log says what happened, once, and holds no secret; and that strangers cannot fill it. */
test.serial('the log of a normal life, and of five hundred strangers', async (t) => {
  t.timeout(90_000);
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  const session = await connect(nodes);
  for (let run = 1; run <= 4; run++) await honestRun(session, run);
  session.close();
  const count = (role: NodeRole, event: string, node?: string) =>
    linesOf(nodes.log(role), event).filter((line) => node === undefined || line.node === node).length;
  t.true(await until(() => NODES.every((role) => count(role, 'left', 'client') === 1)));
  for (const role of NODES) {
    t.is(count(role, 'listening'), 1);
    t.is(count(role, 'ready'), 1, `${role} has both others once`);
    t.is(count(role, 'connected', 'client'), 1);
    t.is(count(role, 'run'), 4, `one line a run at ${role}`);
    t.is(count(role, 'failed') + count(role, 'refused') + count(role, 'aborted'), 0);
  }

  for (const role of NODES) {
    const lines = nodes.log(role).length;
    const target = targetOf(nodes.urls[role]);
    for (let at = 0; at < 500; at += 50) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => openWeb(target)));
      sockets.forEach((socket, i) => {
        if (i % 2) socket?.write(webFrame(2, randomBytes(30)));
        else socket?.destroy();
      });
      await Promise.all(
        sockets.map((socket) => socket && !socket.destroyed && new Promise((resolve) => socket.once('close', resolve))),
      );
    }
    await sleep(100);
    t.log(`500 strangers: ${nodes.log(role).length - lines} lines more at ${role}`);
    t.true(nodes.log(role).length - lines <= 6);
  }

  nodes.processes.party0.kill('SIGKILL');
  await nodes.restart('party0');
  t.true(
    await until(
      () => count('dealer', 'ready') === 2 && count('party1', 'ready') === 2 && count('party0', 'ready') === 2,
    ),
    'ready is said again',
  );
  await honest(nodes);
  for (const role of NODES) {
    const text = nodes.log(role).join('\n');
    for (const secret of [nodes.token, nodes.nodeToken]) {
      t.false(text.includes(secret) || text.includes(Buffer.from(secret, 'base64').toString('hex')), 'no secret');
    }
    // Tokens, seeds and keys have 32 bytes
    t.notRegex(text, /[0-9a-f]{64}|[\w+/]{43}=/);
    t.is(linesOf(nodes.log(role), 'left').filter(({ why }) => !why).length, 0, 'whoever left, why is said');
  }
});
