import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { check, type Finding, type OtherNode } from '../operation/check.js';
import { handshake, nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { readAuthority, readIdentity } from './certificates.js';
import { glance } from './glance.js';
import type { ServeOptions } from './serve.js';
import { checkUrl, dialSocket, isLoopback } from './sockets.js';
import { RELEASE } from './thread-file.js';
import { readTokens } from './token-files.js';

/**
 * Looks at a network as a node with these options would, without listening. Beside a node that runs it is told that
 * this node is connected already; without one it takes its place for a moment.
 * @throws NodeError BAD_CONFIGURATION for what the node itself would not start with
 */
export async function checkNode(o: Omit<ServeOptions, 'log' | 'through'>): Promise<Finding[]> {
  readIdentity(o);
  const ca = o.tlsCa === undefined ? undefined : readAuthority(o.tlsCa);
  const urls = Object.entries(o.dials) as [NodeRole, string][];
  const local = isLoopback(o.host) && urls.every(([role, url]) => isLoopback(checkUrl(url, nodeName[role]).hostname));
  const tokens = readTokens(o.role, o, local);
  const process = bytesToHex(randomBytes(16));
  const prove = (role: NodeRole, link: Link) =>
    handshake(link, { mine: o.role, process, tokens, side: 'dial', expect: role });
  const others: OtherNode[] = urls.map(([role, url]) => ({
    node: nodeName[role],
    url,
    open: () => dialSocket(url, nodeName[role], ca),
    prove: (link) => prove(role, link),
    glance: () => glance(url, nodeName[role], ca),
  }));
  const mine = nodeName[o.role];
  return check({
    mine,
    others,
    callers: NODES.filter((role) => role !== o.role && o.dials[role] === undefined).map((role) => nodeName[role]),
    ...(o.admin && { admins: { [mine]: `http://${o.admin.host}:${o.admin.port}` } }),
    release: RELEASE,
  });
}

/** A line for each finding. */
export function findingLines(found: readonly Finding[]): string[] {
  return found.map(({ node, well, says }) => `${well ? 'well ' : 'WRONG'} ${node} ${says}`);
}
