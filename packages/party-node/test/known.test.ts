import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { allow, deny } from '../src/identity/access-file.js';
import { makeGrant } from '../src/identity/grants.js';
import { Known } from '../src/identity/known.js';
import { readNetworkFile } from '../src/identity/network-file.js';
import { limits } from '../src/limits.js';
import { freshKeyPair, type KeyPair, publicKeyText } from '../src/wire/keys.js';

const folder = mkdtempSync(join(tmpdir(), 'known-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const own = { models: 1, bytes: 2, runs: 3 };

/** A dealer that knows two publishers, and the files by which it does. */
function dealer() {
  const [key, acme, bolt, client] = [freshKeyPair(), freshKeyPair(), freshKeyPair(), freshKeyPair()];
  const [peers, access] = [join(folder, `${++files}.network`), join(folder, `${files}.access`)];
  const node = (of: KeyPair) => ({ url: 'wss://node.example.org', key: publicKeyText(of.public) });
  const network = (party1 = freshKeyPair()) =>
    writeFileSync(peers, JSON.stringify({ party0: node(freshKeyPair()), party1: node(party1), dealer: node(key) }));
  network();
  allow(access, { name: 'acme', key: acme.public, limits: own });
  allow(access, { name: 'bolt', key: bolt.public, limits: own });
  const log: unknown[] = [];
  const known = new Known({ role: 'dealer', key, peers, access, log: (event) => log.push(event) });
  const grant = async (by: KeyPair, validSeconds = 600, now?: number) => {
    const request = { subject: 'anna', model: 'm', client: client.public, validSeconds };
    return (await makeGrant(by, readNetworkFile(peers).id, request, now)).text;
  };
  return { known, acme, bolt, client, peers, access, network, grant, log };
}

test('a publisher whose key, name or limits are others now ends; the other stays', async (t) => {
  const { known, acme, bolt, access } = dealer();
  const [a, b] = [
    await known.identify!({ public: acme.public, grant: undefined }),
    await known.identify!({ public: bolt.public, grant: undefined }),
  ];
  t.deepEqual(a, { kind: 'publisher', name: 'acme', key: acme.public, limits: own });
  t.is(known.ended(a, acme.public), undefined);
  allow(access, { name: 'acme', key: acme.public, limits: { ...own, runs: 9 } });
  t.true(known.reload());
  t.is(known.ended(a, acme.public), 'has other limits now; connect again');
  t.is(known.ended(b, bolt.public), undefined);
  allow(access, { name: 'acme', key: freshKeyPair().public, limits: own });
  t.true(known.reload());
  t.is(known.ended(a, acme.public), 'is no publisher here any more');
  await t.throwsAsync(known.identify!({ public: acme.public, grant: undefined }), { code: 'NOT_AUTHENTICATED' });
});

test('a grant ends with its time, its publisher’s key, a denial, and the network that it is for', async (t) => {
  const { known, acme, bolt, client, access, network, grant } = dealer();
  const show = async (text: string) => known.identify!({ public: client.public, grant: text });
  const [a, b] = [await show(await grant(acme)), await show(await grant(bolt))];
  t.like(a, { kind: 'asker', grant: { publisher: 'acme', subject: 'anna' } });
  t.is(known.ended(a, client.public), undefined);
  // Over by now, within what clocks may differ by; then beyond it
  const now = Math.floor(Date.now() / 1000);
  const late = await show(await grant(acme, 10, now - 40));
  if (late.kind !== 'asker') return t.fail();
  t.is(known.ended(late, client.public), undefined);
  late.grant.expires = now - limits.clockSkewSeconds - 1;
  t.is(known.ended(late, client.public), 'the grant is over');

  deny(access, { publisher: 'acme', subject: 'anna' });
  t.true(known.reload());
  t.regex(known.ended(a, client.public)!, /has denied the grant/);
  t.is(known.ended(b, client.public), undefined, 'the same subject of another publisher');
  allow(access, { name: 'bolt', key: freshKeyPair().public, limits: own });
  t.true(known.reload());
  t.regex(known.ended(b, client.public)!, /nobody who may publish here any more/);
  const again = await show(await grant(acme)).catch(() => undefined);
  t.is(again, undefined);
  network();
  t.true(known.reload());
  t.regex(known.ended(a, client.public)!, /another network/);
});

test('files that are wrong change nothing, not even the one of the two that is right', (t) => {
  const { known, peers, access, network, log } = dealer();
  const before = known.pins();
  network();
  writeFileSync(access, '{}');
  t.false(known.reload());
  t.deepEqual(known.pins(), before);
  allow(join(folder, 'fresh'), { name: 'acme', key: freshKeyPair().public, limits: own });
  writeFileSync(peers, '{}');
  t.false(known.reload());
  t.deepEqual(log, ['not reloaded', 'not reloaded']);
  t.deepEqual(known.pins(), before);
});
