import { NodeError, type NodeName, SocketLink } from '@secformer/party-node';

/** How long a page's report of what it forbade may come after the failure that it is about. */
const REPORT_MS = 100;

/** What there is of a browser's globals here; a worker has no document. */
interface Globals {
  document?: EventTarget;
  addEventListener?: EventTarget['addEventListener'];
  removeEventListener?: EventTarget['removeEventListener'];
  location?: { protocol: string };
  navigator?: { onLine?: boolean };
}

/** Of the event 'securitypolicyviolation'. */
interface Violation {
  blockedURI?: string;
  effectiveDirective?: string;
  disposition?: string;
}

/**
 * Opens a WebSocket in a browser. Why one fails a browser keeps from scripts, but for a Content-Security-Policy,
 * which has an event of its own, and what can be seen from the page itself.
 * @throws NodeError UNREACHABLE with what is known, and else what to look at
 */
export function dialInBrowser(url: string, node: NodeName): Promise<SocketLink> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown) =>
      reject(new NodeError(node, 'UNREACHABLE', `no connection to ${url} (${why})`, { cause }));
    const policy = watchPolicy(url);
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch (cause) {
      policy.stop();
      failed((cause as Error).message, cause);
      return;
    }
    socket.addEventListener('open', () => {
      policy.stop();
      resolve(new SocketLink(socket as never));
    });
    socket.addEventListener('error', () => {
      setTimeout(() => {
        policy.stop();
        failed(policy.why() ?? guess(url));
      }, REPORT_MS);
    });
  });
}

/** Listens for the page's policy to forbid this URL. */
function watchPolicy(url: string): { why(): string | undefined; stop(): void } {
  const globals = globalThis as Globals;
  const target = globals.document ?? globals;
  let directive: string | undefined;
  const heard = (event: Event) => {
    const { blockedURI = '', effectiveDirective = '', disposition } = event as Violation;
    if (disposition !== 'report' && blockedURI && sameServer(blockedURI, url))
      directive = effectiveDirective || 'connect-src';
  };
  target.addEventListener?.('securitypolicyviolation', heard);
  return {
    why: () =>
      directive && `the page's Content-Security-Policy forbids it; its ${directive} has to name ${new URL(url).origin}`,
    stop: () => target.removeEventListener?.('securitypolicyviolation', heard),
  };
}

/** Some browsers report of a URL that is not http: its scheme alone. */
function sameServer(a: string, b: string): boolean {
  if (b.startsWith(`${a}:`)) return true;
  try {
    return new URL(a).host === new URL(b).host;
  } catch {
    return false;
  }
}

function guess(url: string): string {
  const { location, navigator } = globalThis as Globals;
  if (navigator?.onLine === false) return 'this browser is offline';
  const mixed =
    location?.protocol === 'https:' && url.startsWith('ws:')
      ? 'a page loaded over https: may not be let to ws://, '
      : '';
  return (
    `a browser does not say why, its console may: ${mixed}the node may be down, or its certificate not ` +
    `trusted by this browser`
  );
}
