import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { check, type Finding, type OtherNode } from '../operation/check.js';
import { handshake, nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { glance } from './glance.js';
import type { ServeOptions } from './serve.js';
import { setUp } from './setup.js';
import { RELEASE } from './thread-file.js';

/**
 * Looks at a network as a node with these options would, without listening. Beside a node that runs it is told that
 * this node is connected already; without one it takes its place for a moment.
 * @throws NodeError BAD_CONFIGURATION for what the node itself would not start with
 */
export async function checkNode(o: Omit<ServeOptions, 'through'>): Promise<Finding[]> {
  const { ca, known, tokens, dialled, urlOf, dial } = setUp(o, false);
  const process = bytesToHex(randomBytes(16));
  const { key } = known ?? {};
  const pins = known?.pins();
  const prove = (role: NodeRole, link: Link) =>
    handshake(link, { mine: o.role, process, tokens, key: pins && key, pins, side: 'dial', expect: role });
  const others: OtherNode[] = dialled.map((role) => ({
    node: nodeName[role],
    url: urlOf(role),
    open: () => dial(role),
    prove: (link) => prove(role, link),
    glance: () => glance(urlOf(role), nodeName[role], { ca, pinned: pins !== undefined }),
  }));
  const mine = nodeName[o.role];
  return check({
    mine,
    others,
    callers: NODES.filter((role) => role !== o.role && !dialled.includes(role)).map((role) => nodeName[role]),
    ...(o.admin && { admins: { [mine]: `http://${o.admin.host}:${o.admin.port}` } }),
    release: RELEASE,
  });
}

/** A line for each finding. */
export function findingLines(found: readonly Finding[]): string[] {
  return found.map(({ node, well, says }) => `${well ? 'well ' : 'WRONG'} ${node} ${says}`);
}
