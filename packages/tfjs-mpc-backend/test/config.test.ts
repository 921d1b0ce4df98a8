import test, { type ExecutionContext } from 'ava';
import { type Configuration, configuration, configure } from '../src/config.js';

const real = {
  parties: ['ws://127.0.0.1:1', 'ws://127.0.0.1:2'],
  dealer: 'ws://127.0.0.1:3',
  token: 'a token',
} as const satisfies Record<string, unknown>;
const nodes = real as unknown as Configuration;

test.serial.afterEach(() => configure({}));

function setEnvironment(t: ExecutionContext, values: Record<string, string>): void {
  Object.assign(process.env, values);
  t.teardown(() => {
    for (const name of Object.keys(values)) delete process.env[name];
  });
}

test.serial('configure takes an object, and says what else it was given', (t) => {
  const cases: [unknown, RegExp][] = [
    [undefined, /was given undefined; expected an object/],
    [null, /was given null/],
    [[1, 2], /was given an array of 2/],
    ['fast', /was given a string/],
    [7, /was given 7/],
    [() => ({}), /was given a function/],
  ];
  for (const [given, message] of cases)
    t.throws(() => configure(given as Configuration), { instanceOf: TypeError, message }, String(message));
});

test.serial('a setting that there is not is named, beside those that there are', (t) => {
  const error = t.throws(() => configure({ suit: 'fast', Token: 'x' } as never), {
    code: 'BAD_CONFIGURATION',
    message: /no 'suit', 'Token'/,
  });
  for (const key of [
    'parties',
    'dealer',
    'token',
    'suite',
    'calibration',
    'ca',
    'prepareAhead',
    'fold',
    'onRange',
    'network',
    'operandBits',
    'syncTimeoutMs',
  ])
    t.regex(error!.message, new RegExp(`\\b${key}\\b`));
  t.throws(() => configure({ toString: 1 } as never), { message: /no 'toString'/ });
});

test.serial('each setting has its type and range; the message says what came, and never a token', (t) => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ prepareAhead: 'false' }, /prepareAhead: expected true or false, got a string/],
    [{ prepareAhead: null }, /prepareAhead: .* got null/],
    [{ network: 'wlan' }, /network: expected 'lan' or 'wan', got 'wlan'/],
    [{ network: 1 }, /network: .* got 1/],
    [{ operandBits: 12 }, /operandBits: expected 16 or 13, got 12/],
    [{ operandBits: '13' }, /operandBits: expected 16 or 13, got '13'/],
    [{ operandBits: 13, suite: 'puma' }, /operandBits: 13 is for the suites 'exact' and 'fast'.*suite is 'puma'/],
    [{ syncTimeoutMs: '100' }, /syncTimeoutMs: expected a number of milliseconds above 0, got a string/],
    [{ syncTimeoutMs: 0 }, /got 0/],
    [{ syncTimeoutMs: -1 }, /got -1/],
    [{ syncTimeoutMs: Number.NaN }, /got NaN/],
    [{ syncTimeoutMs: Number.POSITIVE_INFINITY }, /got Infinity/],
    [{ onRange: 'never' }, /onRange: expected 'throw', 'warn' or 'ignore', got 'never'/],
    [{ onRange: true }, /onRange: .* got true/],
    [{ ca: 5 }, /ca: expected PEM text, .* got 5/],
    [{ ca: '/etc/ca.pem' }, /ca: expected PEM text .* not a path/],
    [{ suite: 5 }, /suite: expected the name of a suite, .* got 5/],
    [{ suite: null }, /suite: .* got null/],
    [{ ...real, parties: 'ws://a,ws://b' }, /parties: expected two URLs, got a string/],
    [{ ...real, parties: ['ws://a', 5] }, /parties\[1\]: expected a URL, .* got 5/],
    [{ ...real, parties: ['', 'ws://b'] }, /parties\[0\]: .* got an empty string/],
    [{ ...real, dealer: new URL('ws://127.0.0.1') }, /dealer: expected a URL, .* got an object \(URL\)/],
    [{ ...real, token: 12345 }, /token: expected the text .* got 12345/],
    [{ ...real, token: ' \n' }, /token: .* got an empty one/],
    [{ ...real, token: { secret: 'hidden' } }, /token: .* got an object \(Object\)/],
    [{ parties: real.parties, token: 'hidden' }, /dealer is missing beside parties and token/],
    [{ calibration: null }, /calibration: /],
  ];
  for (const [given, message] of cases) {
    const error = t.throws(
      () => configure(given as Configuration),
      { code: 'BAD_CONFIGURATION', message },
      String(message),
    );
    t.notRegex(error!.message, /hidden/);
  }
  t.is(configuration().suite, 'exact', 'what is refused changes nothing');
  t.notThrows(() =>
    configure({ suite: undefined, calibration: undefined, prepareAhead: false, syncTimeoutMs: 0.5 } as never),
  );
});

test.serial('a token may be a text or a file’s bytes; later changes of what was given change nothing', (t) => {
  const bytes = Buffer.from('a tokén\n');
  for (const token of [bytes, new Uint8Array(bytes), 'a tokén\n']) {
    configure({ ...nodes, token });
    t.is(configuration().token, 'a tokén\n');
  }
  const parties: [string, string] = ['ws://127.0.0.1:1', 'ws://127.0.0.1:2'];
  configure({ ...nodes, parties, token: bytes });
  bytes.fill(0);
  parties[0] = 'ws://127.0.0.1:9';
  t.is(configuration().token, 'a tokén\n');
  t.is(configuration().parties![0], 'ws://127.0.0.1:1');
  configure({ ca: Buffer.from('-----BEGIN CERTIFICATE-----\n') });
  t.is(configuration().ca, '-----BEGIN CERTIFICATE-----\n');
});

test.serial('what configure was given and the environment are one configuration', (t) => {
  setEnvironment(t, { SECFORMER_TOKEN: 'from outside', SECFORMER_SUITE: 'fast' });
  const { token: _, ...without } = nodes;
  configure(without);
  t.like(configuration(), { token: 'from outside', dealer: real.dealer, suite: 'fast' });
  configure({ ...nodes, suite: 'exact' });
  t.like(configuration(), { token: 'a token', suite: 'exact' });
  configure({ ...without, suite: undefined } as never);
  t.is(configuration().suite, 'fast', 'a setting that is undefined is one that is left out');
  t.throws(() => configure({ parties: nodes.parties! }), {
    message: /dealer is missing beside parties and SECFORMER_TOKEN/,
  });
  setEnvironment(t, { SECFORMER_SUITE: 'quick' });
  t.throws(() => configure(nodes), { message: /quick/ });
  t.notThrows(() => configure({ ...nodes, suite: 'exact' }));
});

test.serial('variables are named where they are wrong, and count for nothing where they are empty', (t) => {
  setEnvironment(t, { SECFORMER_PARTIES: 'ws://a', SECFORMER_DEALER: 'ws://b', SECFORMER_TOKEN: 'c' });
  t.throws(() => configuration(), {
    code: 'BAD_CONFIGURATION',
    message: /SECFORMER_PARTIES: expected two URLs, got \["ws:\/\/a"\]/,
  });
  Object.assign(process.env, {
    SECFORMER_PARTIES: '',
    SECFORMER_DEALER: '',
    SECFORMER_TOKEN: '',
    SECFORMER_SUITE: '',
    SECFORMER_CA: '',
  });
  t.deepEqual(Object.keys(configuration()).sort(), ['fold', 'suite', 'syncTimeoutMs']);
});

test.serial('SECFORMER_CA is a path, which a text given in code outranks', (t) => {
  setEnvironment(t, { SECFORMER_CA: '/some/ca.pem' });
  t.is(configuration().caFile, '/some/ca.pem');
  configure({ ca: '-----BEGIN CERTIFICATE-----\n' });
  t.is(configuration().caFile, undefined);
});
