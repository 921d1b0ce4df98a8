import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';

/** A node's place among the three. */
export type NodeRole = 'party0' | 'party1' | 'dealer';
export type WireRole = NodeRole | 'client';
export const NODES: readonly NodeRole[] = ['party0', 'party1', 'dealer'];

/** Which nodes each one dials; the others dial it. */
export const DIALS: Readonly<Record<NodeRole, readonly NodeRole[]>> = {
  dealer: [],
  party0: ['dealer'],
  party1: ['party0', 'dealer'],
};

/**
 * The secrets that one side of a link knows, as 32-byte keys. A node has one for each other node, which only the two of
 * them know, so that none of them can pose as another; and the clients'. A client has the clients' alone, so it can't
 * pose as a node to a node.
 */
export interface Tokens {
  nodes?: Partial<Record<NodeRole, Secret>>;
  client?: Secret;
}

/**
 * A token from its text, which may be given as the bytes of its file: hashed, space around it does not count.
 * @throws TypeError for anything else
 */
export function tokenFrom(text: string | Uint8Array): Secret {
  if (typeof text !== 'string' && !(text instanceof Uint8Array))
    throw new TypeError(`a token is a string or the bytes of its file, got ${text === null ? 'null' : typeof text}`);
  const own = typeof text === 'string' ? text : new TextDecoder().decode(text);
  return new Secret(sha256(utf8ToBytes(`secformer token ${own.trim()}`)));
}

/**
 * Three pairwise tokens from a secret that all nodes know: for nodes of one operator, on one machine. @returns those of
 * `mine`
 */
export function tokensFromOne(secret: Secret, mine: NodeRole): Record<NodeRole, Secret> {
  const pair = (other: NodeRole) =>
    new Secret(
      hkdf(sha256, secret.bytes, undefined, utf8ToBytes(`secformer pair ${[mine, other].sort().join(' ')}`), 32),
    );
  return Object.fromEntries(NODES.filter((r) => r !== mine).map((r) => [r, pair(r)])) as Record<NodeRole, Secret>;
}
