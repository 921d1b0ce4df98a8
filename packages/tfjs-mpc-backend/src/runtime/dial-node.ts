import type { Link, NodeName } from '@secformer/party-node';
import { dialSocket } from '@secformer/party-node/node';

/**
 * Opens a WebSocket to a node whose key is known: the handshake is bound to the connection, so its certificate may be
 * anybody's. @param ca certificate authority (PEM) to trust besides
 */
export function dialKnown(url: string, node: NodeName, ca?: string): Promise<Link> {
  return dialSocket(url, node, { ca, pinned: true });
}
