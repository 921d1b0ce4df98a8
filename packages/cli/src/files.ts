/** What the flags name files of: who the nodes are, and who somebody is. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { ReadFile } from '@secformer/bert-loader';
import { limits, secretKeyText } from '@secformer/party-node';
import { certificatesIn, readKeyFile, readNetworkFile } from '@secformer/party-node/node';
import { UsageError } from './failures.js';

/** The flags that both commands have. */
export interface IdentityFlags {
  network: string;
  key: string;
  ca?: string;
}

export interface Identity {
  /** the network file's content */
  network: unknown;
  /** 'ed25519-secret:…', never to be printed */
  key: string;
  /** PEM */
  ca?: string;
}

function text(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`${flag} ${file} cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** @throws NodeError BAD_CONFIGURATION, or UsageError, with the file and what is wrong with it */
export function readIdentity({ network, key, ca }: IdentityFlags): Identity {
  const { urls, keys } = readNetworkFile(network);
  const node = (role: keyof typeof urls) => ({ url: urls[role], key: keys[role] });
  const nodes = { party0: node('party0'), party1: node('party1'), dealer: node('dealer') };
  const identity = { network: nodes, key: secretKeyText(readKeyFile(key).secret) };
  if (ca === undefined) return identity;
  const pem = text(ca, '--ca');
  certificatesIn(pem, `the CA file ${ca}`);
  return { ...identity, ca: pem };
}

/** The line that `party-node grant` has printed. @throws UsageError where it is none */
export function readGrant(file: string): string {
  const grant = text(file, '--grant').trim();
  if (grant.length > limits.grantCharacters || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(grant))
    throw new UsageError(
      `--grant ${file} holds no grant; expected the line that the publisher's party-node grant printed`,
    );
  return grant;
}

/** Files by their names without folders. @throws UsageError where two have one name, or one is too large */
export function readAssets(files: readonly string[]): Record<string, Uint8Array> {
  const assets: Record<string, Uint8Array> = Object.create(null);
  for (const file of files) {
    const name = basename(file);
    if (Object.hasOwn(assets, name)) throw new UsageError(`--asset: two of the files are called ${name}`);
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size > limits.assetBytes)
      throw new UsageError(`--asset ${file} has ${size} bytes, and nodes take ${limits.assetBytes} at most`);
    assets[name] = bytesOf(file);
  }
  return assets;
}

function bytesOf(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (cause) {
    throw new UsageError(`--asset ${file} cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** A folder's files, for bert-loader. */
export function filesOf(folder: string): ReadFile {
  return async (name) => {
    const file = `${folder}/${name}`;
    return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
  };
}
