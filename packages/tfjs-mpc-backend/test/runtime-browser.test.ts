import test, { type ExecutionContext } from 'ava';
import type { Resolved } from '../src/config.js';
import { runtime } from '../src/runtime/browser.js';

/** Addresses that a WebSocket was made for. */
let dialled: string[] = [];
let open: (socket: EventTarget) => void;

class StubSocket extends EventTarget {
  constructor(url: string) {
    super();
    dialled.push(url);
    open(this);
  }
  close(): void {}
  send(): void {}
}

let id = 1;
async function ask(parties: [string, string], dealer: string): Promise<string> {
  const configuration: Resolved = { parties, dealer, token: 'a token', suite: 'exact', fold: true, syncTimeoutMs: 1 };
  const reply = await runtime.ask({ id: id++, kind: 'share', writes: [], configuration });
  return 'error' in reply ? `${reply.error.code} ${reply.error.message}` : 'answered';
}

test.beforeEach(() => {
  dialled = [];
  open = () => {};
  (globalThis as { WebSocket: unknown }).WebSocket = StubSocket;
});

test.serial('ws:// to another machine is refused before any socket is made, whichever node it is', async (t) => {
  const [safe, lan] = ['wss://node.test:24700', 'ws://lan.test:24700'];
  t.regex(
    await ask([lan, safe], safe),
    /^BAD_CONFIGURATION party 0: 'ws:\/\/lan\.test:24700' would carry shares unencrypted/,
  );
  t.regex(await ask([safe, lan], safe), /^BAD_CONFIGURATION party 1: /);
  t.regex(await ask([safe, safe], lan), /^BAD_CONFIGURATION dealer: /);
  t.regex(
    await ask([safe, safe], 'http://127.0.0.1:24700'),
    /^BAD_CONFIGURATION dealer: .*begins with http:, .*expected wss:\/\/HOST:PORT, or ws:\/\/127\.0\.0\.1:PORT/,
  );
  t.regex(await ask(['nonsense', safe], safe), /^BAD_CONFIGURATION party 0: 'nonsense' is not a URL/);
  t.deepEqual(dialled, []);
});

test.serial('wss:// and this machine are dialled; a failure does not guess at one reason', async (t) => {
  open = (socket) => setTimeout(() => socket.dispatchEvent(new Event('error')), 1);
  const urls = ['ws://localhost:1', 'wss://node.test:2', 'ws://[::1]:3'] as const;
  const failure = await ask([urls[0], urls[1]], urls[2]);
  t.deepEqual(dialled, [...urls]);
  t.regex(
    failure,
    /^UNREACHABLE party 0: no connection to ws:\/\/localhost:1 \(a browser does not say why.*certificate/,
  );
  t.notRegex(failure, /is it running|Content-Security-Policy|https:/);
});

/** Sets a global of browsers that Node does not have, or has otherwise, for one test. */
function setGlobal(t: ExecutionContext, name: string, value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true });
  t.teardown(() => {
    if (before) Object.defineProperty(globalThis, name, before);
    else delete (globalThis as Record<string, unknown>)[name];
  });
}

test.serial('where the page’s policy forbids the connection, that is said, whichever event comes first', async (t) => {
  const document = new EventTarget();
  setGlobal(t, 'document', document);
  const violation = (blockedURI: string, disposition = 'enforce') =>
    document.dispatchEvent(
      Object.assign(new Event('securitypolicyviolation'), {
        blockedURI,
        effectiveDirective: 'connect-src',
        disposition,
      }),
    );
  const url = 'wss://node.test:1';
  const forbidden =
    /^UNREACHABLE party 0: .*\(the page's Content-Security-Policy .*; its connect-src .* name wss:\/\/node\.test:1\)/;
  const dialled = (events: (socket: EventTarget) => void) => {
    open = (socket) => setTimeout(() => events(socket), 1);
    return ask([url, url], url);
  };
  const fail = (socket: EventTarget) => void socket.dispatchEvent(new Event('error'));
  t.regex(
    await dialled((socket) => {
      violation(`${url}/`);
      fail(socket);
    }),
    forbidden,
  );
  t.regex(
    await dialled((socket) => {
      fail(socket);
      setTimeout(() => violation('wss'), 20);
    }),
    forbidden,
  );
  const other = await dialled((socket) => {
    violation('https://tracker.test/');
    violation(url, 'report');
    fail(socket);
  });
  t.notRegex(other, /Content-Security-Policy/);
});

test.serial('what a page can see of the reason is said: https: over ws:, no network', async (t) => {
  open = (socket) => setTimeout(() => socket.dispatchEvent(new Event('error')), 1);
  setGlobal(t, 'location', { protocol: 'https:' });
  t.regex(
    await ask(['ws://127.0.0.1:1', 'wss://node.test:2'], 'wss://node.test:3'),
    /^UNREACHABLE party 0: .*loaded over https: may not be let to ws:/,
  );
  setGlobal(t, 'navigator', { onLine: false });
  t.regex(await ask(['wss://node.test:1', 'wss://node.test:2'], 'wss://node.test:3'), /this browser is offline/);
});

test.serial('what the browser says when it makes no socket at all is passed on', async (t) => {
  open = () => {
    throw new Error('an insecure connection may not be initiated from a page loaded over HTTPS');
  };
  t.regex(
    await ask(['ws://localhost:1', 'wss://node.test:2'], 'wss://node.test:3'),
    /^UNREACHABLE party 0: .*page loaded over HTTPS/,
  );
});
