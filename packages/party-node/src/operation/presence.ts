import type { NodeName } from '../errors.js';
import type { NodeEvent } from './events.js';

/** Who is connected. Links are counted: a node that connects again may be there before its old link is gone. */
export class Presence {
  readonly peers: readonly NodeName[];
  readonly #links = new Map<NodeName, number>();

  /** @param node whose links these are */
  constructor(node: NodeName) {
    this.peers = (['party 0', 'party 1', 'dealer'] as const).filter((name) => name !== node);
  }

  observe(e: NodeEvent): void {
    if (e.kind !== 'link') return;
    this.#links.set(e.node, (this.#links.get(e.node) ?? 0) + (e.state === 'connected' ? 1 : -1));
  }

  has(node: NodeName): boolean {
    return (this.#links.get(node) ?? 0) > 0;
  }

  get clients(): number {
    return this.#links.get('client') ?? 0;
  }

  /** The other nodes that are not connected. */
  get absent(): NodeName[] {
    return this.peers.filter((peer) => !this.has(peer));
  }
}
