/** What a node's flags and the files that they name come to: the same for a node that is started and one that looks. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NodeError } from '../errors.js';
import { bad } from '../identity/files.js';
import { nodeKey } from '../identity/key-files.js';
import { Known } from '../identity/known.js';
import { nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { DIALS, type Tokens } from '../wire/tokens.js';
import { type IdentityFiles, readAuthority, readIdentity } from './certificates.js';
import type { Log } from './log.js';
import type { NodeRole } from './run.js';
import { checkUrl, dialSocket, isLoopback } from './sockets.js';
import { readStoreKey } from './store-key.js';
import { readTokens, type TokenFiles } from './token-files.js';

/** Who a node is, who may connect and whom it dials. */
export interface SetupOptions extends TokenFiles, IdentityFiles {
  role: NodeRole;
  host: string;
  /** where the nodes are that this one dials, if the network file does not say so or they are elsewhere for it */
  dials: Partial<Record<NodeRole, string>>;
  /** where the node keeps its key and published models, and writes its address */
  dataDir?: string;
  /** key that published models are encrypted with there */
  dataKeyFile?: string;
  /** network file with the keys and addresses of the three nodes: they know one another by these and not by tokens */
  peers?: string;
  /** access file with the publishers whose models and grants count here */
  access?: string;
  /** whether whoever has the clients' token is let in; true if absent */
  ownerSessions?: boolean;
  /** what connects comes through a proxy of this node's operator that ends TLS */
  behindTlsProxy?: boolean;
  /** authority to trust besides those that Node trusts, when this node dials */
  tlsCa?: string;
  log: Log;
}

export interface Setup {
  tls: { cert: string; key: string } | undefined;
  ca: string | undefined;
  known: Known | undefined;
  tokens: Tokens;
  /** folder of published models, and the key that they are encrypted with there */
  models: { folder: string; key?: Uint8Array } | undefined;
  /** whether nodes are taken by their keys over connections that are not bound */
  unboundNodes: boolean;
  /** nodes that this one dials */
  dialled: readonly NodeRole[];
  urlOf: (role: NodeRole) => string;
  dial: (role: NodeRole) => Promise<Link>;
}

/**
 * Reads what the flags name.
 * @param fresh whether a key is made where there is none
 * @throws NodeError BAD_CONFIGURATION
 */
export function setUp(o: SetupOptions, fresh: boolean): Setup {
  const tls = readIdentity(o);
  const { behindTlsProxy = false } = o;
  if (!tls && !behindTlsProxy && !isLoopback(o.host)) {
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `without --tls-cert and --tls-key a node listens on loopback only, not on ${o.host}: ` +
        `the dealer's masks and the parties' openings together are the plaintext ` +
        '(a TLS proxy in front of it is named with --behind-tls-proxy)',
    );
  }
  const ca = o.tlsCa === undefined ? undefined : readAuthority(o.tlsCa);
  checkClients(o);
  const known = readKnown(o, fresh);
  // The network file may say another address after it was read again
  const urlOf = (role: NodeRole) => o.dials[role] ?? known?.urlOf(role);
  const dialled = DIALS[o.role].filter((role) => urlOf(role) !== undefined);
  const hosts = dialled.map((role) => checkUrl(urlOf(role)!, nodeName[role]).hostname);
  const pinned = known?.pins() !== undefined;
  const { client, ...nodes } = readTokens(o.role, o, isLoopback(o.host) && hosts.every(isLoopback), pinned);
  return {
    tls,
    ca,
    known,
    tokens: client && (o.ownerSessions ?? true) ? { ...nodes, client } : nodes,
    models: modelsOf(o),
    unboundNodes: behindTlsProxy || isLoopback(o.host),
    dialled,
    urlOf: (role) => urlOf(role)!,
    dial: (role) => dialSocket(urlOf(role)!, nodeName[role], { ca, pinned: known?.pins() !== undefined }),
  };
}

/** Whom a node knows by their keys, itself among them; nothing where it has no folder for its own. */
function readKnown({ role, dataDir, peers, access, log }: SetupOptions, fresh: boolean): Known | undefined {
  if (dataDir !== undefined) {
    if (!fresh && !existsSync(join(dataDir, 'key')))
      throw bad(`there is no key in ${dataDir} yet; start the node, or make one: party-node keygen ${dataDir}/key`);
    return new Known({ role, key: nodeKey(dataDir), peers, access, log });
  }
  const flag = peers === undefined ? '--access' : '--peers';
  if (peers === undefined && access === undefined) return undefined;
  throw bad(`${flag} needs --data-dir, the folder that this node's key is in`);
}

/** Somebody has to be able to connect. @throws NodeError BAD_CONFIGURATION */
function checkClients({ ownerSessions = true, access, clientTokenFile }: SetupOptions): void {
  if (access !== undefined) return;
  if (clientTokenFile === undefined) throw bad('needs --client-token-file, or --access for clients that hold a grant');
  if (!ownerSessions) throw bad('--no-owner-sessions leaves nobody to connect without --access');
}

/** Where published models are kept: where nobody may publish there are none. @throws NodeError BAD_CONFIGURATION */
function modelsOf({ access, dataDir, dataKeyFile }: SetupOptions): Setup['models'] {
  if (dataKeyFile !== undefined && (access === undefined || dataDir === undefined))
    throw bad('--data-key-file is for published models: it needs --access and --data-dir');
  if (access === undefined || dataDir === undefined) return undefined;
  const key = dataKeyFile === undefined ? undefined : readStoreKey(dataKeyFile).bytes;
  return { folder: resolve(dataDir, 'models'), ...(key && { key }) };
}
