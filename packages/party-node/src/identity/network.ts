/** The network file: who the three nodes are and where. The same for nodes, publishers and clients. Browser-safe. */
import { z } from 'zod';
import { NodeError } from '../errors.js';
import { areDistinct, networkId, publicKeyFrom, publicKeyText } from '../wire/keys.js';
import type { NodeRole } from '../wire/tokens.js';
import { checkUrl } from '../wire/url.js';

/** The three nodes: where they are, and the keys that they are known by. */
export interface Network {
  /** 16 bytes in hex: the audience of its grants */
  id: string;
  urls: Readonly<Record<NodeRole, string>>;
  /** public keys in their text form */
  keys: Readonly<Record<NodeRole, string>>;
  /** the same in hex, as they travel */
  pins: Readonly<Record<NodeRole, string>>;
}

/** A public key in its text form, as hex. */
export const publicKey = z.string().transform((text, context) => {
  const key = publicKeyFrom(text);
  if (key !== undefined) return key;
  context.addIssue({ code: 'custom', message: `expected a public key, 'ed25519:…' as party-node keygen prints it` });
  return z.NEVER;
});

const url = z.string().superRefine((text, context) => {
  try {
    checkUrl(text, 'client');
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^client: /, '') });
  }
});

const node = z.strictObject({ url, key: publicKey });
const network = z.strictObject({ party0: node, party1: node, dealer: node });

/**
 * @param json the parsed content
 * @param name of where it stands, as its owner knows it, such as 'the network file network.json'
 * @throws NodeError BAD_CONFIGURATION with the field and what is expected there
 */
export function networkFrom(json: unknown, name = 'the network file'): Network {
  const { party0, party1, dealer } = checked(network, json, name);
  const pins = { party0: party0.key, party1: party1.key, dealer: dealer.key };
  if (!areDistinct(pins))
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `${name} has the same key for two nodes; each operator makes one of its own: party-node keygen FILE`,
    );
  const urls = { party0: party0.url, party1: party1.url, dealer: dealer.url };
  const [p0, p1, d] = [pins.party0, pins.party1, pins.dealer].map(publicKeyText) as [string, string, string];
  return { id: networkId(pins), urls, keys: { party0: p0, party1: p1, dealer: d }, pins };
}

/** A value of that form. @throws NodeError BAD_CONFIGURATION with the field and what is expected there */
export function checked<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const where = field ? ` at ${field.replace(/^\./, '')}` : '';
  throw new NodeError('client', 'BAD_CONFIGURATION', `${name} is wrong${where}: ${message}`);
}
