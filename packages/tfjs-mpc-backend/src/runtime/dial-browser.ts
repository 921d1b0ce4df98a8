import { checkUrl, type Link, type NodeName } from '@secformer/party-node';
import { dialInBrowser } from './browser-dial.js';

/** Opens a WebSocket to a node whose key is known. Scripts can't see a connection's keys: its certificate counts too. */
export function dialKnown(url: string, node: NodeName): Promise<Link> {
  checkUrl(url, node);
  return dialInBrowser(url, node);
}
