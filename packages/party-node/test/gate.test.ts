import { MessageChannel } from 'node:worker_threads';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import test from 'ava';
import { NodeError } from '../src/index.js';
import { limits } from '../src/limits.js';
import { Gate, type Identities } from '../src/node/gate.js';
import { handshake, type Proven } from '../src/wire/handshake.js';
import { freshKeyPair, type KeyPair } from '../src/wire/keys.js';
import type { Principal } from '../src/wire/principal.js';
import { client, closeAll, linkOf } from './handshakes.js';

test.after.always(closeAll);

const asker = (subject: string): Principal => ({
  kind: 'asker',
  limits: { models: 1, bytes: 1, runs: 1 },
  grant: {
    publisher: 'acme',
    subject,
    id: 'one',
    model: 'm',
    versions: undefined,
    outputs: undefined,
    expires: 0,
    quota: undefined,
  },
});

function gateOf(more: Partial<Identities>): { gate: Gate; welcomed: Proven[]; key: KeyPair } {
  const key = freshKeyPair();
  const identities: Identities = {
    key,
    pins: () => undefined,
    identify: async ({ grant }) => asker(String(grant)),
    ended: () => undefined,
    ...more,
  };
  const welcomed: Proven[] = [];
  const welcome = (proven: Proven, left: (why: string) => void) => {
    welcomed.push(proven);
    proven.link.onClose = left;
  };
  return {
    gate: new Gate({ role: 'dealer', tokens: { client }, identities, dial: {}, welcome, log: () => {} }),
    welcomed,
    key,
  };
}

function connect(gate: Gate, node: KeyPair, subject: string): Promise<Proven> {
  const { port1, port2 } = new MessageChannel();
  gate.accept(linkOf(port2));
  const process = bytesToHex(randomBytes(16));
  const pins = { dealer: node.public };
  const key = freshKeyPair();
  return handshake(linkOf(port1), {
    mine: 'client',
    process,
    tokens: {},
    key,
    pins,
    grant: subject,
    side: 'dial',
    expect: 'dealer',
  });
}

test('a subject with as many connections as one may have leaves the others room', async (t) => {
  const { gate, key } = gateOf({});
  const links: Proven[] = [];
  for (let i = 0; i < limits.subjectConnections; i++) links.push(await connect(gate, key, 'anna'));
  const error = await t.throwsAsync<NodeError>(connect(gate, key, 'anna'), {
    instanceOf: NodeError,
    code: 'TOO_MANY_CONNECTIONS',
    message: /16 connections with grants of anna are open/,
  });
  t.is(error!.retryAfterMs, limits.retryMs);
  await connect(gate, key, 'bert');
  links[0]!.link.close('done');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await connect(gate, key, 'anna');
  gate.stop();
});

test('who would not be let in any more is told why and goes; everybody else, tokens among them, stays', async (t) => {
  const ended = (p: Principal) => (p.kind === 'asker' && p.grant.subject === 'anna' ? 'the grant is over' : undefined);
  const { gate, welcomed, key } = gateOf({ ended });
  const [anna, bert] = [await connect(gate, key, 'anna'), await connect(gate, key, 'bert')];
  const { port1, port2 } = new MessageChannel();
  gate.accept(linkOf(port2));
  const process = bytesToHex(randomBytes(16));
  const owner = await handshake(linkOf(port1), { mine: 'client', process, tokens: { client }, side: 'dial' });
  t.deepEqual(
    welcomed.map(({ principal }) => principal.kind),
    ['asker', 'asker', 'owner'],
  );
  const gone: string[] = [];
  for (const [name, { link }] of Object.entries({ anna, bert, owner }))
    link.onClose = (why) => gone.push(`${name}: ${why}`);
  gate.checkAgain();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.deepEqual(gone, ['anna: the grant is over']);
  gate.stop();
});
