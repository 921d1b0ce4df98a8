import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freshKeyPair, type KeyPair, keyPairFrom, publicKeyText, secretKeyFrom, secretKeyText } from '../wire/keys.js';
import { bad, readSecret, writeWhole } from './files.js';

/** @throws NodeError BAD_CONFIGURATION where there is none, or others can read it */
export function readKeyFile(file: string): KeyPair {
  const secret = secretKeyFrom(readSecret(file, 'key'));
  if (!secret)
    throw bad(
      `the key file ${file} holds no secret key; expected one line 'ed25519-secret:…'; ` +
        'make another with: party-node keygen FILE',
    );
  return keyPairFrom(secret);
}

/** Makes a key and writes it into a file that is not there yet. @throws NodeError BAD_CONFIGURATION */
export function writeKeyFile(file: string): KeyPair {
  if (existsSync(file))
    throw bad(`${file} is there already, and a key may be in use;${ownerOf(file)} give another name`);
  const pair = freshKeyPair();
  writeWhole(file, `${secretKeyText(pair.secret)}\n`, 0o600, 'new');
  return pair;
}

function ownerOf(file: string): string {
  try {
    return ` its public key is ${publicKeyText(readKeyFile(file).public)};`;
  } catch {
    return '';
  }
}

/** A node's key: the one in its folder, made at the first start. @throws NodeError BAD_CONFIGURATION */
export function nodeKey(folder: string): KeyPair {
  const file = join(folder, 'key');
  if (existsSync(file)) return readKeyFile(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return writeKeyFile(file);
  } catch (cause) {
    throw bad(`cannot write into the folder ${folder} of --data-dir (${(cause as Error).message})`, cause);
  }
}
