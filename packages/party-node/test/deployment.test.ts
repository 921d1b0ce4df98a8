import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createPlain, request, type Server } from 'node:http';
import { createServer as createTls } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { NodeError } from '../src/index.js';
import { limits } from '../src/limits.js';
import { trusting } from '../src/node/authorities.js';
import { certificatesIn, readIdentity } from '../src/node/certificates.js';
import { Door } from '../src/node/door.js';
import { Gate } from '../src/node/gate.js';
import { writeToken } from '../src/node/token-files.js';
import { reasonOf } from '../src/node/unreachable.js';
import { dialSocket } from '../src/node.js';
import { sleep, until } from './attacks/kit.js';

const folder = mkdtempSync(join(tmpdir(), 'deployment-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
const write = (name: string, text: string) => {
  writeFileSync(path(name), text, { mode: 0o600 });
  return path(name);
};
const text = (name: string) => readFileSync(path(name), 'utf8');
const openssl = (...args: string[]) => spawnSync('openssl', args, { encoding: 'utf8' });
const withOpenssl = openssl('version').status === 0 ? test : test.skip;

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate NAME.pem and its key NAME.key; self-signed, or by another one of these. */
function certificate(name: string, options: { san?: string; by?: string; ca?: boolean } = {}): void {
  const { san = 'IP:127.0.0.1', by, ca = false } = options;
  const subject = [
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=${san}`,
    '-addext',
    `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`,
  ];
  const signer = by ? ['-CA', path(`${by}.pem`), '-CAkey', path(`${by}.key`)] : [];
  const made = openssl(
    'req',
    '-x509',
    ...EC,
    '-keyout',
    path(`${name}.key`),
    '-out',
    path(`${name}.pem`),
    '-days',
    '1',
    ...subject,
    ...signer,
  );
  if (made.status !== 0) throw new Error(made.stderr);
  chmodSync(path(`${name}.key`), 0o600);
}

if (withOpenssl === test) {
  certificate('authority', { ca: true });
  certificate('leaf', { by: 'authority' });
  certificate('alone');
  certificate('elsewhere', { by: 'authority', san: 'DNS:node.example.org' });
  // Ends before it begins
  openssl('req', '-new', ...EC, '-subj', '/CN=over', '-keyout', path('over.key'), '-out', path('over.csr'));
  const signer = ['-CA', path('authority.pem'), '-CAkey', path('authority.key'), '-CAcreateserial'];
  openssl('x509', '-req', '-in', path('over.csr'), ...signer, '-days', '-1', '-out', path('over.pem'));
  openssl('pkey', '-in', path('leaf.key'), '-aes256', '-passout', 'pass:open sesame', '-out', path('locked.key'));
  openssl('ec', '-in', path('leaf.key'), '-aes256', '-passout', 'pass:open sesame', '-out', path('old-locked.key'));
  for (const name of ['locked.key', 'old-locked.key']) chmodSync(path(name), 0o600);
}

withOpenssl('a certificate and its key are read together: chains, combined files, encrypted keys', (t) => {
  write('passphrase', 'open sesame\n');
  write('chain.pem', text('leaf.pem') + text('authority.pem'));
  write('both.pem', text('leaf.key') + text('leaf.pem'));
  for (const [cert, key] of [
    ['leaf.pem', 'leaf.key'],
    ['chain.pem', 'leaf.key'],
    ['both.pem', 'both.pem'],
    ['leaf.pem', 'locked.key'],
    ['leaf.pem', 'old-locked.key'],
  ] as const) {
    const identity = readIdentity({ tlsCert: path(cert), tlsKey: path(key), tlsPassphraseFile: path('passphrase') });
    t.regex(identity!.key, /^-----BEGIN PRIVATE KEY-----/, key);
  }
  t.is(readIdentity({}), undefined);
});

withOpenssl('what is wrong with a certificate or a key is said, with the file', (t) => {
  const body = text('leaf.pem').trim().split('\n');
  const other = body[4]!.replace(/[A-Za-z]/g, (c) => (c === 'A' ? 'B' : 'A'));
  const files = {
    cut: write('cut.pem', body.slice(0, 5).join('\n')),
    torn: write('torn.pem', [body[0], ...body.slice(5)].join('\n')),
    // A self-signed certificate with other bytes where its name is
    changed: write('changed.pem', changed(text('alone.pem'))),
    damagedKey: write('damaged.key', text('leaf.key').replace(/\n[\w+/]{20}/, `\n${other.slice(0, 20)}`)),
    reversed: write('reversed.pem', text('authority.pem') + text('leaf.pem')),
    nothing: write('nothing.txt', 'hello\n'),
    wrong: write('wrong', 'sesame\n'),
  };
  const leaf = path('leaf.pem');
  const key = path('leaf.key');
  for (const [identity, message] of [
    [{ tlsCert: leaf }, /--tls-cert and --tls-key belong together/],
    [{ tlsKey: key }, /--tls-cert and --tls-key belong together/],
    [{ tlsPassphraseFile: files.wrong }, /--tls-passphrase-file is for an encrypted --tls-key/],
    [{ tlsCert: '', tlsKey: '' }, /cannot read the certificate file/],
    [{ tlsCert: leaf, tlsKey: path('alone.key') }, /alone\.key is not the key of the certificate in .*leaf\.pem/],
    [{ tlsCert: key, tlsKey: leaf }, /leaf\.key holds a private key, where a certificate is expected/],
    [
      { tlsCert: leaf, tlsKey: write('certificate.key', text('leaf.pem')) },
      /certificate\.key holds a certificate, where its private key is expected/,
    ],
    [{ tlsCert: leaf, tlsKey: files.nothing }, /nothing\.txt holds no private key/],
    [{ tlsCert: files.nothing, tlsKey: key }, /nothing\.txt holds no certificate/],
    [{ tlsCert: files.cut, tlsKey: key }, /cut\.pem is damaged: of 1 certificates that begin in it, 0 have an end/],
    [{ tlsCert: files.torn, tlsKey: key }, /torn\.pem is damaged: its certificate 1 of 1 cannot be read/],
    [
      { tlsCert: files.changed, tlsKey: path('alone.key') },
      /changed\.pem is damaged: its certificate 1 of 1 has another signature/,
    ],
    [
      { tlsCert: files.reversed, tlsKey: key },
      /reversed\.pem has the certificate of .* in place 2; it has to be the first/,
    ],
    [{ tlsCert: leaf, tlsKey: files.damagedKey }, /damaged\.key is damaged, or not a private key/],
    [{ tlsCert: leaf, tlsKey: path('locked.key') }, /locked\.key is encrypted; .*--tls-passphrase-file/],
    [{ tlsCert: leaf, tlsKey: path('old-locked.key') }, /old-locked\.key is encrypted/],
    [
      { tlsCert: leaf, tlsKey: path('locked.key'), tlsPassphraseFile: files.wrong },
      /passphrase in .*wrong does not open the key file .*locked\.key/,
    ],
    [
      { tlsCert: leaf, tlsKey: path('old-locked.key'), tlsPassphraseFile: files.wrong },
      /passphrase in .*wrong does not open/,
    ],
  ] as const) {
    const error = t.throws(
      () => readIdentity(identity),
      { instanceOf: NodeError, code: 'BAD_CONFIGURATION', message },
      String(message),
    );
    t.notRegex(error!.message, /error:|routines|DECODER/, 'not OpenSSL’s own words alone');
  }
});

/** A PEM certificate with one letter of its names changed, so that it can be read and its signature does not fit. */
function changed(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  der[der.indexOf('alone')] = 'b'.charCodeAt(0);
  der[der.lastIndexOf('alone')] = 'b'.charCodeAt(0);
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** A TLS server that says what it was asked for, or a plain one. @returns its port */
async function serverOf(t: { teardown(f: () => void): void }, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const tlsServer = (name: string) => createTls({ cert: text(`${name}.pem`), key: text(`${name}.key`) });

withOpenssl(
  'what a client finds wrong with a node’s certificate is said, and never that the node may not run',
  async (t) => {
    const authority = text('authority.pem');
    for (const [name, ca, message] of [
      ['leaf', undefined, /the authority of its certificate is unknown here; give the PEM/],
      ['alone', undefined, /its certificate is self-signed .*DEPTH_ZERO_SELF_SIGNED_CERT/],
      ['alone', authority, /its certificate is self-signed/],
      ['over', authority, /its certificate has expired/],
      ['elsewhere', authority, /its certificate is for node\.example\.org and not for this host/],
      // It ends the connection once it is trusted
      ['leaf', authority, /it answered 403 \(Forbidden\)/],
      ['alone', text('alone.pem'), /it answered 403 \(Forbidden\)/],
    ] as const) {
      const server = tlsServer(name);
      server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
      const port = await serverOf(t, server);
      const error = await t.throwsAsync(
        dialSocket(`wss://127.0.0.1:${port}`, 'dealer', ca),
        { instanceOf: NodeError, code: 'UNREACHABLE', message },
        String(message),
      );
      t.notRegex(error!.message, /is it running/);
    }
  },
);

withOpenssl('an authority of one’s own comes besides those that Node trusts, and has to be a certificate', (t) => {
  const script = `
import tls from 'node:tls';
import { trusting } from ${JSON.stringify(new URL('../src/node/authorities.js', import.meta.url).href)};
let given;
const made = tls.createSecureContext;
tls.createSecureContext = (options) => { given = options.ca; return made(options); };
(await import('node:module')).syncBuiltinESMExports();
trusting(${JSON.stringify(text('alone.pem'))});
const roots = tls.rootCertificates;
const besides = given.join().includes(${JSON.stringify(text('authority.pem'))});
console.log(roots.every((c) => given.includes(c)), besides, given.length > roots.length);
`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: path('authority.pem') };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env,
  });
  t.is(stdout.trim(), 'true true true', stderr);
  t.is(trusting(text('alone.pem')), trusting(text('alone.pem')), 'made once');
  for (const [ca, message] of [
    ['-----BEGIN PRIVATE KEY-----\n', /ca holds a private key/],
    [text('alone.pem').slice(0, 200), /ca is damaged/],
  ] as const) {
    t.throws(() => dialSocket('wss://127.0.0.1:1', 'dealer', ca), { code: 'BAD_CONFIGURATION', message });
  }
  t.is(certificatesIn(text('authority.pem') + text('alone.pem'), 'two').length, 2);
});

test('a connection that does not come about: what to look at', async (t) => {
  const listening = async (server: ReturnType<typeof createServer>) => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    return (server.address() as AddressInfo).port;
  };
  const closed = createServer();
  const gone = await listening(closed);
  closed.close();
  const refusing = createPlain((_, response) => response.writeHead(401).end());
  refusing.on('upgrade', (_, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'));
  const mute = createServer((socket) => socket.destroy());
  const ssh = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  for (const [url, message] of [
    [`ws://127.0.0.1:${gone}`, /ECONNREFUSED .*is it running\?/],
    [`ws://127.0.0.1:${await serverOf(t, refusing)}`, /it answered 401 \(Unauthorized\)/],
    [`ws://127.0.0.1:${await listening(mute)}`, /does it speak TLS, as wss:/],
    [`wss://127.0.0.1:${await listening(createServer((socket) => socket.destroy()))}`, /does it speak TLS\? ws:/],
    [`ws://127.0.0.1:${await listening(ssh)}`, /what listens there is no node/],
    [
      `wss://127.0.0.1:${await listening(createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')))}`,
      /does not speak TLS/,
    ],
  ] as const)
    await t.throwsAsync(dialSocket(url, 'dealer'), { code: 'UNREACHABLE', message }, String(message));
  t.regex(
    reasonOf(Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' }), true),
    /^there is no host of that name/,
  );
  const both = Object.assign(new Error(''), {
    code: 'ECONNREFUSED',
    errors: [new Error('connect ECONNREFUSED ::1:1')],
  });
  t.is(reasonOf(both, false), 'connect ECONNREFUSED ::1:1; is it running?');
});

test('a plain request is answered 426 at once, whatever it goes on to send', async (t) => {
  const door = new Door({ host: '127.0.0.1', port: 0, enter: () => t.fail('let in'), log: () => {} });
  const port = await door.open();
  t.teardown(() => door.close());
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
    const start = performance.now();
    const asked = request({
      port,
      host: '127.0.0.1',
      method,
      headers: method === 'POST' ? { 'Content-Length': 10 ** 9 } : {},
    });
    asked.on('error', () => {});
    // Of a body that never ends
    if (method === 'POST') asked.write('begun');
    else asked.end();
    const [response] = await once(asked, 'response');
    t.is(response.statusCode, 426, method);
    response.resume();
    await once(response, 'close');
    t.true(performance.now() - start < limits.handshakeMs - 500, method);
  }
  // The connection of a request with a body goes too
  const socket = connect(port, '127.0.0.1').resume();
  const start = performance.now();
  socket.on('error', () => {}).write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun');
  await once(socket, 'close');
  t.true(performance.now() - start < limits.handshakeMs - 500);
});

test('a node that cannot be reached is tried less and less often, and said once for each reason', async (t) => {
  let tries = 0;
  const lines: unknown[] = [];
  const dealer = async () => {
    throw new NodeError('dealer', 'UNREACHABLE', ++tries < 2 ? 'not running' : 'another certificate');
  };
  const gate = new Gate({
    role: 'party0',
    tokens: {},
    dial: { dealer },
    welcome: () => {},
    log: (event, fields) => lines.push([event, fields?.why]),
  });
  gate.start();
  await sleep(3_000);
  t.true(await until(() => tries >= 2), 'it is tried again');
  gate.stop();
  t.true(tries <= 5, `${tries} tries: seven where the pause stays the first one`);
  t.deepEqual(lines, [
    ['unreachable', 'dealer: not running'],
    ['unreachable', 'dealer: another certificate'],
  ]);
});

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));

test('a port that is taken, and an address that is not this machine’s, are said in one line', async (t) => {
  const door = () => new Door({ host: '127.0.0.1', port: 0, enter: () => {}, log: () => {} });
  const first = door();
  const port = await first.open();
  t.teardown(() => first.close());
  const taken = new Door({ host: '127.0.0.1', port, enter: () => {}, log: () => {} });
  await t.throwsAsync(taken.open(), {
    code: 'BAD_CONFIGURATION',
    message: /cannot listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE.*\); another process listens there/,
  });
  const foreign = new Door({ host: '198.51.100.1', port: 0, enter: () => {}, log: () => {} });
  await t.throwsAsync(foreign.open(), {
    code: 'BAD_CONFIGURATION',
    message: /EADDRNOTAVAIL.*\); this machine does not have that address/,
  });
});

/** Runs the command. @returns its exit status and what it wrote on standard error */
async function run(...args: string[]): Promise<{ status: number; said: string }> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part) => {
    said += part;
  });
  const [status] = await once(child, 'close');
  return { status, said };
}

withOpenssl(
  'the command refuses in one line an empty path, another certificate’s key, a key for an authority, no folder',
  async (t) => {
    const token = () => randomBytes(32).toString('base64');
    const tokens = [
      '--node-token-file',
      write('node.token', token()),
      '--client-token-file',
      write('client.token', token()),
    ];
    const dealer = ['dealer', '--listen', '127.0.0.1:0'];
    const tls = (cert: string, key: string) => ['--tls-cert', cert, '--tls-key', key];
    const cases: [string[], RegExp][] = [
      [[...dealer, ...tokens, ...tls('', '')], /cannot read the certificate file/],
      [[...dealer, ...tokens, ...tls(path('leaf.pem'), path('alone.key'))], /is not the key of the certificate/],
      [
        [...dealer, ...tokens, '--data-dir', path('node.token')],
        /cannot write into the folder .*node\.token of --data-dir/,
      ],
      [[...dealer, ...tokens, '--tls-ca', path('leaf.key')], /the CA file .*leaf\.key holds a private key/],
    ];
    await Promise.all(
      cases.map(async ([args, message]) => {
        const { status, said } = await run(...args);
        t.is(status, 2, said);
        t.regex(said, message);
        t.is(said.trim().split('\n').length, 1, said);
      }),
    );
  },
);

test('party-node token FILE writes a token that nodes take and nobody else can read, over no other file', async (t) => {
  const file = path('fresh.token');
  t.deepEqual(await run('token', file), { status: 0, said: '' });
  t.regex(readFileSync(file, 'utf8'), /^[\w+/]{43}=\n$/);
  if (process.platform !== 'win32') t.is(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file, 'utf8');
  const again = await run('token', file);
  t.is(again.status, 2);
  t.regex(again.said, /^party-node: client: .*fresh\.token is there already/);
  t.is(readFileSync(file, 'utf8'), before);
  t.throws(() => writeToken(path('nowhere/x')), { code: 'BAD_CONFIGURATION', message: /cannot write .*nowhere/ });
  const { status, said } = await run('token');
  t.is(status, 2);
  t.regex(said, /missing required argument/);
});
