import { createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import test from 'ava';
import type { Access } from '../src/identity/access-file.js';
import { type GrantRequest, makeGrant, readGrant } from '../src/identity/grants.js';
import { NodeError } from '../src/index.js';
import { limits } from '../src/limits.js';
import { freshKeyPair, type KeyPair, publicKeyText, thumbprint } from '../src/wire/keys.js';

const acme = freshKeyPair();
const stranger = freshKeyPair();
const client = freshKeyPair();
const network = '00112233445566778899aabbccddeeff';
const now = 1_800_000_000;
const access: Access = {
  publishers: [{ name: 'acme', key: acme.public, limits: { models: 1, bytes: 1, runs: 1 } }],
  denied: [],
};
const request: GrantRequest = { subject: 'anna', model: 'sst2', client: client.public, validSeconds: 3600 };
const read = (text: string, more: Partial<Parameters<typeof readGrant>[1]> = {}) =>
  readGrant(text, { client: client.public, access, network, now, ...more });

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = { alg: 'EdDSA', typ: 'secformer-grant+jwt' };
const claims = {
  iss: publicKeyText(acme.public),
  sub: 'anna',
  aud: network,
  jti: 'one',
  iat: now,
  nbf: now,
  exp: now + 3600,
  model: 'sst2',
  cnf: { jkt: thumbprint(client.public) },
};

/** A token of any header and claims, signed by a key. */
function token(h: unknown, c: unknown, by: KeyPair = acme): string {
  const text = `${part(h)}.${part(c)}`;
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), by.secret.bytes]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}

test('a grant says what its publisher put into it', async (t) => {
  const { text, id } = await makeGrant(acme, network, request, now);
  t.deepEqual(await read(text), {
    publisher: 'acme',
    subject: 'anna',
    id,
    model: 'sst2',
    versions: undefined,
    outputs: undefined,
    expires: now + 3600,
    quota: undefined,
  });
  const more = { versions: ['1', '2.0'], outputs: ['label'], quota: { runs: 100, seconds: 3600 } };
  const grant = await read((await makeGrant(acme, network, { ...request, ...more }, now)).text);
  t.like(grant, more);
  t.like(await read(token(header, claims)), { id: 'one' });
});

test('clocks may differ by a minute and no more', async (t) => {
  const { text } = await makeGrant(acme, network, request, now);
  await t.notThrowsAsync(read(text, { now: now - 59 }));
  await t.notThrowsAsync(read(text, { now: now + 3600 + 59 }));
  await t.throwsAsync(read(text, { now: now - 61 }), { code: 'GRANT_REFUSED', message: /is not valid before 2027/ });
  await t.throwsAsync(read(text, { now: now + 3600 + 60 }), { code: 'GRANT_REFUSED', message: /is over since 2027/ });
});

test('whatever is wrong with a grant is refused, and said', async (t) => {
  const { text } = await makeGrant(acme, network, request, now);
  const [head, body, signature] = text.split('.') as [string, string, string];
  const without = (claim: string) => Object.fromEntries(Object.entries(claims).filter(([k]) => k !== claim));
  const hmac = `${part({ ...header, alg: 'HS256' })}.${body}`;
  const secret = (key: Buffer | string) => `${hmac}.${createHmac('sha256', key).update(hmac).digest('base64url')}`;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const rs256 = `${part({ ...header, alg: 'RS256' })}.${body}`;
  const altered = part({ ...claims, sub: 'bert' });
  const cases: [string, string, RegExp][] = [
    ['altered', `${head}.${altered}.${signature}`, /signature that is not its issuer/],
    ['of another signature', `${head}.${body}.${part('x').padEnd(86, 'A')}`, /signature that is not its issuer/],
    ['without a signature', `${head}.${body}.`, /signature|cannot be read/],
    ['alg none', `${part({ alg: 'none', typ: header.typ })}.${body}.`, /not signed by EdDSA/],
    ['alg none in capitals', `${part({ alg: 'NONE', typ: header.typ })}.${body}.`, /not signed by EdDSA/],
    ['HS256 with the public key', secret(Buffer.from(acme.public, 'hex')), /not signed by EdDSA/],
    ['HS256 with its text', secret(publicKeyText(acme.public)), /not signed by EdDSA/],
    ['RS256', `${rs256}.${sign('sha256', Buffer.from(rs256), rsa).toString('base64url')}`, /not signed by EdDSA/],
    ['of a stranger', (await makeGrant(stranger, network, request, now)).text, /of nobody who may publish here/],
    ['in another’s name', token(header, claims, stranger), /signature that is not its issuer/],
    ['of no key', token(header, { ...claims, iss: 'acme' }), /of nobody who may publish/],
    ['of no text', token(header, { ...claims, iss: 7 }), /of nobody who may publish|cannot be read/],
    ['with a key of its own', token({ ...header, jwk: { kty: 'OKP' } }, claims, stranger), /signature/],
    ['with a critical header', token({ ...header, crit: ['x'], x: 1 }, claims), /cannot be read/],
    ['of another network', token(header, { ...claims, aud: 'ff'.repeat(16) }), /for another network/],
    ['of several networks', token(header, { ...claims, aud: [network, 'x'] }), /'aud' is wrong/],
    ['another kind of token', token({ alg: 'EdDSA', typ: 'JWT' }, claims), /token of another kind/],
    ['no kind of token', token({ alg: 'EdDSA' }, claims), /lacks 'typ'|another kind/],
    ['of another client', token(header, { ...claims, cnf: { jkt: thumbprint(stranger.public) } }), /another client’s/],
    ['made in the future', token(header, { ...claims, iat: now + 600 }), /was made later/],
    ['over and never', token(header, { ...claims, exp: 'never' }), /wrong 'exp'/],
    ['of a half second', token(header, { ...claims, exp: now + 0.5 }), /'exp' is wrong/],
    ['a path', token(header, { ...claims, model: '../etc' }), /'model' is wrong/],
    ['a version that is a path', token(header, { ...claims, versions: ['../1'] }), /'versions.0' is wrong/],
    ['no version', token(header, { ...claims, versions: [] }), /'versions' is wrong/],
    ['a name of two lines', token(header, { ...claims, sub: 'a\nb' }), /'sub' is wrong/],
    ['no name', token(header, { ...claims, sub: '' }), /'sub' is wrong/],
    ['a quota of nothing', token(header, { ...claims, quota: { runs: 0, seconds: 1 } }), /'quota.runs' is wrong/],
    ['claims that are a list', token(header, [claims]), /cannot be read|nobody/],
    ['four parts', `${text}.x`, /cannot be read/],
    ['no token', 'grant', /cannot be read/],
    ['empty', '', /cannot be read/],
    ['huge', `${head}.${'A'.repeat(10 ** 6)}.${signature}`, /at most 3000/],
    ['deep', `${head}.${Buffer.from('['.repeat(2000)).toString('base64url')}.${signature}`, /cannot be read/],
  ];
  for (const claim of ['sub', 'aud', 'jti', 'iat', 'nbf', 'exp', 'model', 'cnf'])
    cases.push([`without ${claim}`, token(header, without(claim)), new RegExp(`lacks '${claim}'`)]);
  for (const [what, given, message] of cases) {
    const error = await t.throwsAsync(read(given), { instanceOf: NodeError, code: 'GRANT_REFUSED', message }, what);
    t.is(error!.node, 'client');
  }
});

test('what an operator denies is refused: one grant, or a subject of that publisher', async (t) => {
  const { text, id } = await makeGrant(acme, network, request, now);
  const but = (...denied: Access['denied'][number][]) => read(text, { access: { ...access, denied } });
  const message = /operator of this node has denied/;
  await t.throwsAsync(but({ publisher: 'acme', id }), { code: 'GRANT_REFUSED', message });
  await t.throwsAsync(but({ publisher: 'acme', subject: 'anna' }), { code: 'GRANT_REFUSED', message });
  await t.notThrowsAsync(
    but(
      { publisher: 'acme', id: 'x' },
      { publisher: 'acme', subject: 'bert' },
      { publisher: 'other', subject: 'anna' },
    ),
  );
});

test('what no node would take is not made', async (t) => {
  for (const [more, message] of [
    [{ model: '../x' }, /'model' is wrong/],
    [{ subject: '' }, /'sub' is wrong/],
    [{ validSeconds: Number.NaN }, /'exp' is wrong/],
    [{ outputs: Array.from({ length: 64 }, () => 'x'.repeat(200)) }, /at most 3000; name fewer/],
  ] as const)
    await t.throwsAsync(makeGrant(acme, network, { ...request, ...more }, now), { code: 'BAD_CONFIGURATION', message });
  t.true(limits.grantCharacters + 1000 < limits.handshakeFrameBytes);
});
