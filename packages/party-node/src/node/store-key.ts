import { Secret } from '@secformer/ring';
import { NodeError } from '../errors.js';
import { readSecret } from '../identity/files.js';

const KEY_BYTES = 32;

/**
 * The key that a node's stored models are encrypted under: 32 random bytes in base64 or hex, in a file that nobody else
 * may read. Whoever loses it has lost the models.
 * @throws NodeError BAD_CONFIGURATION
 */
export function readStoreKey(file: string): Secret {
  const text = readSecret(file, 'data key').trim();
  const hex = /^[0-9a-f]{64}$/i.test(text);
  // 43 digits of base64 and perhaps one to fill up
  if (!hex && !/^[\w+/-]{43}=?$/.test(text))
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `the data key in ${file} is not ${KEY_BYTES} random bytes in base64 or hex; make one with: party-node token FILE`,
    );
  return new Secret(new Uint8Array(Buffer.from(text, hex ? 'hex' : 'base64')));
}
