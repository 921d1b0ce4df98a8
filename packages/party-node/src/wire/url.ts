import { NodeError, type NodeName } from '../errors.js';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;
const EXPECTED = 'expected wss://HOST:PORT, or ws://127.0.0.1:PORT on this machine';

/** Is this a host that traffic does not leave the machine for? */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/**
 * Nothing leaves the machine unencrypted.
 * @throws NodeError BAD_CONFIGURATION for what is no WebSocket's URL, and for ws:// to another machine
 */
export function checkUrl(url: string, node: NodeName): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new NodeError(node, 'BAD_CONFIGURATION', `'${url}' is not a URL; ${EXPECTED}`, { cause });
  }
  if (parsed.protocol !== 'wss:' && parsed.protocol !== 'ws:')
    throw new NodeError(
      node,
      'BAD_CONFIGURATION',
      `'${url}' begins with ${parsed.protocol}, and nodes speak over WebSockets; ${EXPECTED}`,
    );
  if (parsed.protocol === 'ws:' && !isLoopback(parsed.hostname))
    throw new NodeError(
      node,
      'BAD_CONFIGURATION',
      `'${url}' would carry shares unencrypted; use wss:// for anything but this machine`,
    );
  return parsed;
}

/** Host and port of `HOST:PORT`, an IPv6 host in brackets; undefined where the text is none. */
export function addressFrom(text: string): { host: string; port: number } | undefined {
  const match = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text);
  return match && Number(match[2]) <= 65535 ? { host: match[1]!, port: Number(match[2]) } : undefined;
}
