import { randomBytes } from 'node:crypto';
import test from 'ava';
import { tokenFrom } from '../../src/index.js';
import { startLocalNodes } from '../../src/node.js';
import { NODES, type NodeRole, tokensFromOne, type WireRole } from '../../src/wire/tokens.js';
import { census, connect, harm, honest, honestRun, linesOf, secretFiles, sleep, startNode, until } from './kit.js';
import { type Posed, pose } from './relay.js';

/**
 * Proves that whoever knows the one secret of three nodes does not get between party 0 and the dealer while those two
 * live: party 0 dials the dealer and takes nobody for it who comes by himself, and the dealer keeps the party 0 that
 * answers. Fails without either rule: the attacker is PROVEN then, and could pass on the agreements of runs and read
 * what the parties open (its two links share a seed with each side).
 */
test.serial(
  'who knows the one secret can stand neither as the dealer before party 0 nor as party 0 before the dealer',
  async (t) => {
    t.timeout(60_000);
    const nodes = await startLocalNodes();
    t.teardown(() => nodes.stop());
    await honest(nodes);
    const before = census(nodes);
    const as = (role: NodeRole) => ({
      nodes: tokensFromOne(tokenFrom(nodes.nodeToken), role),
      client: tokenFrom(nodes.token),
    });
    const session = await connect(nodes);
    const attempts: [NodeRole, WireRole, string][] = [
      ['party0', 'dealer', 'NOT_AUTHENTICATED'],
      ['dealer', 'party0', 'ALREADY_CONNECTED'],
      // Party 1 dials both
      ['party1', 'dealer', 'NOT_AUTHENTICATED'],
      ['party1', 'party0', 'NOT_AUTHENTICATED'],
      // While the real one lives
      ['party0', 'party1', 'ALREADY_CONNECTED'],
      ['dealer', 'party1', 'ALREADY_CONNECTED'],
      // As the node itself
      ['party0', 'party0', 'NOT_AUTHENTICATED'],
    ];
    const posed: Posed[] = [];
    for (let again = 0; again < 3; again++) {
      const all = Promise.all(
        attempts.map(async ([to, role, code]) => {
          const p = await pose(nodes.urls[to], to, role, as(role as NodeRole));
          posed.push(p);
          t.is(p.code, code, `${role} at ${to}: ${p.why}`);
        }),
      );
      for (let run = 0; run < 5; run++) await honestRun(session, 5 * again + run + 1);
      await all;
    }
    session.close();
    t.is(
      posed.reduce((n, p) => n + p.seen.length, 0),
      0,
      "nothing of the honest session's came over the attacker's links",
    );
    for (const role of NODES)
      t.deepEqual(
        linesOf(nodes.log(role), 'left').filter(({ node }) => node !== 'client'),
        [],
        `the other nodes stay at ${role}`,
      );
    t.deepEqual(harm(before, census(nodes)), []);
    // With the dealer gone nobody keeps its place, and party 0 still takes no dealer but the one that it dials
    nodes.processes.dealer.kill('SIGKILL');
    t.true(await until(() => linesOf(nodes.log('party0'), 'left').some(({ node }) => node === 'dealer')));
    const alone = await pose(nodes.urls.party0, 'party0', 'dealer', as('dealer'));
    t.is(alone.code, 'NOT_AUTHENTICATED', alone.why);
    await nodes.restart('dealer');
    t.true(await until(() => linesOf(nodes.log('dealer'), 'ready').length === 2));
    await honest(nodes);
    t.log(`${posed.length} attempts refused, the slowest after ${Math.max(...posed.map((p) => p.ms)).toFixed()} ms`);
    for (const p of posed) p.link?.close('done');
  },
);

/**
 * Proves that pairwise secrets are worth what they promise: party 1's operator, with all its files, is nobody but party
 * 1 to anybody.
 */
test.serial('with pairwise secrets an operator poses as no other node', async (t) => {
  t.timeout(60_000);
  const secret = () => randomBytes(32).toString('base64');
  const texts = { client: secret(), parties: secret(), p0dealer: secret(), p1dealer: secret() };
  const { path, remove } = secretFiles(texts);
  const client = ['--client-token-file', path.client];
  const dealer = await startNode(
    'dealer',
    ...client,
    '--party0-token-file',
    path.p0dealer,
    '--party1-token-file',
    path.p1dealer,
  );
  const dials = ['--dealer', dealer.url, '--peer-token-file', path.parties];
  const party0 = await startNode('party', '--index', '0', ...client, ...dials, '--dealer-token-file', path.p0dealer);
  const party1 = await startNode(
    'party',
    '--index',
    '1',
    ...client,
    ...dials,
    '--dealer-token-file',
    path.p1dealer,
    '--peer',
    party0.url,
  );
  const started = { dealer, party0, party1 };
  t.teardown(() => {
    for (const { child } of Object.values(started)) child.kill('SIGKILL');
    remove();
  });
  const nodes = { urls: { dealer: dealer.url, party0: party0.url, party1: party1.url }, token: texts.client };
  await honest(nodes);
  const session = await connect(nodes);
  const [parties, p1dealer] = [tokenFrom(texts.parties), tokenFrom(texts.p1dealer)];
  const posed: Posed[] = [];
  for (const token of [parties, p1dealer, tokenFrom(texts.client)]) {
    // Each of its secrets for each role
    const tokens = { nodes: { party0: token, party1: token, dealer: token }, client: token };
    for (const [to, role] of [
      ['party0', 'dealer'],
      ['dealer', 'party0'],
      ['dealer', 'dealer'],
      ['party0', 'party0'],
    ] as const) {
      const p = await pose(nodes.urls[to], to, role, tokens);
      posed.push(p);
      t.is(p.code, 'NOT_AUTHENTICATED', `${role} at ${to}: ${p.why}`);
    }
    await honestRun(session, posed.length);
  }
  // What it really is has its place already; and a node's secret makes nobody a client
  t.is((await pose(party0.url, 'party0', 'party1', { nodes: { party0: parties } })).code, 'ALREADY_CONNECTED');
  t.is((await pose(dealer.url, 'dealer', 'party1', { nodes: { dealer: p1dealer } })).code, 'ALREADY_CONNECTED');
  t.is((await pose(dealer.url, 'dealer', 'party1', { nodes: { dealer: parties } })).code, 'NOT_AUTHENTICATED');
  t.is((await pose(party0.url, 'party0', 'client', { client: parties })).code, 'NOT_AUTHENTICATED');
  await honestRun(session, 100);
  session.close();
  t.true(posed.every((p) => p.seen.length === 0));
  for (const { log } of Object.values(started))
    t.deepEqual(
      linesOf(log, 'left').filter(({ node }) => node !== 'client'),
      [],
    );
});

/**
 * Proves that a place is not lost for ever: who does not answer gives it to a newcomer with the right token, and who
 * was killed is let in again at once.
 */
test.serial(
  'a party that does not answer loses its place to a newcomer, one that was killed gets it back',
  async (t) => {
    t.timeout(60_000);
    const nodes = await startLocalNodes();
    t.teardown(() => nodes.stop());
    await honest(nodes);
    const tokens = { nodes: tokensFromOne(tokenFrom(nodes.nodeToken), 'party1') };
    const readyAt = (role: NodeRole) => linesOf(nodes.log(role), 'ready').length;

    nodes.processes.party1.kill('SIGSTOP');
    const newcomer = await pose(nodes.urls.party0, 'party0', 'party1', tokens);
    t.is(newcomer.code, 'PROVEN', newcomer.why);
    t.log(`a stopped party 1 lost its place after ${newcomer.ms.toFixed()} ms`);
    const ready = readyAt('party0');
    newcomer.link!.close('enough');
    nodes.processes.party1.kill('SIGCONT');
    t.true(await until(() => readyAt('party0') > ready), 'party 1 is back');
    await honest(nodes);

    for (let again = 0; again < 2; again++) {
      nodes.processes.party1.kill('SIGKILL');
      const [a, b] = [readyAt('party0'), readyAt('dealer')];
      await nodes.restart('party1');
      const listening = performance.now();
      t.true(await until(() => readyAt('party0') > a && readyAt('dealer') > b, 5_000), 'both have it again');
      t.log(`a restarted party 1 was let in ${(performance.now() - listening).toFixed()} ms after it listened`);
      await honest(nodes);
    }
    await sleep(100);
    t.deepEqual(
      linesOf(nodes.log('party1'), 'unreachable').filter(({ code }) => code === 'ALREADY_CONNECTED'),
      [],
    );
  },
);
