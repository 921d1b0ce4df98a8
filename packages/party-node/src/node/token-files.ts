import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Secret } from '@secformer/ring';
import { bad, readSecret } from '../identity/files.js';
import { NODES, type NodeRole, type Tokens, tokenFrom, tokensFromOne } from '../wire/tokens.js';

/** Where a node's secrets are. */
export interface TokenFiles {
  /** one secret for all three nodes: for nodes of one operator on one machine */
  nodeTokenFile?: string;
  /** secrets of this node and each other one, which only the two of them know */
  pairTokenFiles?: Partial<Record<NodeRole, string>>;
  /** secret of the clients that may use this node as their own: with own tensors and own programs */
  clientTokenFile?: string;
}

/** Least random bytes in a token: one that is short or chosen by a person can be guessed by an eavesdropper. */
const TOKEN_BYTES = 32;

/** Writes a fresh token into a file that is not there yet. @throws NodeError BAD_CONFIGURATION */
export function writeToken(file: string): void {
  try {
    writeFileSync(file, `${randomBytes(TOKEN_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    const there = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw bad(
      there
        ? `${file} is there already, and a token may be in use; give another name or remove it`
        : `cannot write ${file} (${(cause as Error).message})`,
      cause,
    );
  }
}

/** A token of a file that nobody else may read. @throws NodeError BAD_CONFIGURATION, with what to do */
export function readToken(file: string): { secret: Secret; text: string } {
  const text = readSecret(file, 'token').trim();
  const bytes = /^([0-9a-f]{2})+$/i.test(text)
    ? text.length / 2
    : /^[\w+/-]+=*$/.test(text)
      ? Math.floor((text.replace(/=+$/, '').length * 3) / 4)
      : 0;
  if (bytes < TOKEN_BYTES)
    throw bad(
      `the token in ${file} is not ${TOKEN_BYTES} random bytes in base64 or hex; ` +
        'make another with: party-node token FILE',
    );
  return { secret: tokenFrom(text), text };
}

/**
 * @param local whether all links of this node stay on this machine
 * @param byKeys whether the nodes know one another by keys, and need no tokens
 * @throws NodeError BAD_CONFIGURATION, with what to do
 */
export function readTokens(mine: NodeRole, files: TokenFiles, local: boolean, byKeys = false): Tokens {
  const seen = new Map<string, string>();
  let client: { client?: Secret } = {};
  if (files.clientTokenFile !== undefined) {
    const { secret, text } = readToken(files.clientTokenFile);
    seen.set(text, files.clientTokenFile);
    client = { client: secret };
  }
  const given = Object.keys(files.pairTokenFiles ?? {}).length > 0;
  if (byKeys) {
    if (given || files.nodeTokenFile !== undefined)
      throw bad('give either --peers, by whose keys nodes know one another, or token files of nodes');
    return client;
  }
  const fresh = (file: string): Secret => {
    const { secret, text } = readToken(file);
    const other = seen.get(text);
    if (other !== undefined)
      throw bad(
        `${file} and ${other} hold the same token: whoever has one of them could pose as a node; ` +
          'make another with: party-node token FILE',
      );
    seen.set(text, file);
    return secret;
  };
  const others = NODES.filter((r) => r !== mine);
  if (files.nodeTokenFile !== undefined) {
    if (given) throw bad('give either --node-token-file or a token file for each other node');
    if (!local)
      throw bad(
        '--node-token-file is for three nodes on one machine: with it each operator could pose as another; ' +
          'give a token file for each other node, which the two of you alone have',
      );
    return { nodes: tokensFromOne(fresh(files.nodeTokenFile), mine), ...client };
  }
  const nodes: Partial<Record<NodeRole, Secret>> = {};
  for (const role of others) {
    const file = files.pairTokenFiles?.[role];
    if (file === undefined)
      throw bad(
        `needs ${flagOf(mine, role)}: a secret that this node and ${role} alone have ` +
          '(or --peers; or, for three nodes on one machine, --node-token-file)',
      );
    nodes[role] = fresh(file);
  }
  return { nodes, ...client };
}

/** The flag that names the token file of a pair. */
function flagOf(mine: NodeRole, other: NodeRole): string {
  if (other === 'dealer') return '--dealer-token-file';
  return mine === 'dealer' ? `--${other}-token-file` : '--peer-token-file';
}
