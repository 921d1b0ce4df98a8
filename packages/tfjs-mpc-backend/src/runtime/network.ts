/** How the nodes of a service are reached, by whoever publishes there or asks. */
import {
  type Credentials,
  type Dial,
  type NodeName,
  type NodeRole,
  networkFrom,
  secretKeyFrom,
} from '@secformer/party-node';
import { SecformerError, type Secret } from '@secformer/ring';
import { dialKnown } from '#dial';

/** Where a service is, and who comes. */
export interface ServiceOptions {
  /** the content of the service's network file: addresses and keys of its three nodes */
  network: unknown;
  /** one's own secret key, 'ed25519-secret:…', as `party-node keygen` writes it */
  key: string;
  /** what the publisher has given to this key; a publisher needs none */
  grant?: string;
  /** certificate authority (PEM) to trust besides those that Node trusts */
  ca?: string;
}

const names: Record<NodeRole, NodeName> = { party0: 'party 0', party1: 'party 1', dealer: 'dealer' };

/**
 * @returns what a session or an asking connection is made with
 * @throws SecformerError BAD_CONFIGURATION with what is expected
 */
export function reached({ network, key, grant, ca }: ServiceOptions): {
  dial: Dial;
  credentials: Credentials;
  parties: [string, string];
} {
  const { urls, keys } = networkFrom(network, 'the network');
  const secret = ownKey(key);
  return {
    parties: [urls.party0, urls.party1],
    dial: (node) => dialKnown(urls[node], names[node], ca),
    credentials: { key: secret, nodes: keys, ...(grant !== undefined && { grant }) },
  };
}

/** @throws SecformerError BAD_CONFIGURATION where it is no secret key */
export function ownKey(key: string): Secret {
  const secret = typeof key === 'string' ? secretKeyFrom(key) : undefined;
  if (secret) return secret;
  throw new SecformerError(
    'BAD_CONFIGURATION',
    "`key` is no secret key; expected the line of the file that party-node keygen makes, 'ed25519-secret:…'",
  );
}
