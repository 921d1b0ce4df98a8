import { checkUrl, type Link, type NodeName } from '@secformer/party-node';
import { dialInBrowser } from './browser-dial.js';

/** Opens a WebSocket to a known node. Scripts cannot see a connection's keys: its certificate has to be good too. */
export function dialKnown(url: string, node: NodeName): Promise<Link> {
  checkUrl(url, node);
  return dialInBrowser(url, node);
}
