import type { Secret } from '@secformer/ring';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { HandshakeOptions } from '../wire/handshake.js';
import { keyPairFrom, publicKeyFrom } from '../wire/keys.js';
import { NODES, type NodeRole } from '../wire/tokens.js';

/**
 * What a client proves itself by: the token of the nodes' owners, or a key of its own, with the grant that a publisher
 * has given it or, of a publisher, without.
 */
export type Credentials =
  | { token: Secret }
  | {
      /** the 32-byte seed of the client's Ed25519 key */
      key: Secret;
      grant?: string;
      /** the nodes' public keys, `ed25519:…`, from the network file: another node than these is not spoken to */
      nodes: Readonly<Record<NodeRole, string>>;
    };

/** @throws NodeError BAD_CONFIGURATION where a node's key or the grant cannot be one */
export function provingBy(given: Secret | Credentials): Pick<HandshakeOptions, 'tokens' | 'key' | 'pins' | 'grant'> {
  if ('token' in given) return { tokens: { client: given.token } };
  if (!('key' in given)) return { tokens: { client: given } };
  const { key, grant, nodes } = given;
  const pins = Object.fromEntries(
    NODES.map((role) => {
      const pin = publicKeyFrom(String(nodes[role]));
      if (pin === undefined) throw bad(`the key of ${role} is not a public key, 'ed25519:…' as in the network file`);
      return [role, pin];
    }),
  );
  if (grant !== undefined && (grant.length > limits.grantCharacters || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(grant.trim())))
    throw bad("the grant is not one; expected the line that a publisher's party-node grant prints");
  return { tokens: {}, key: keyPairFrom(key), pins, grant: grant?.trim() };
}

function bad(what: string): NodeError {
  return new NodeError('client', 'BAD_CONFIGURATION', what);
}
