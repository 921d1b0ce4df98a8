/** Three nodes as processes, with a proxy on each link between them and before each of them for clients. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { Session, tokenFrom } from '../../src/index.js';
import { dialSocket } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { type OneNode, secretFiles, startNode, targetOf, until } from '../attacks/kit.js';
import { FaultProxy } from './proxy.js';

/** A link by who dials and who is dialled. */
export const LINKS = [
  'client–party0',
  'client–party1',
  'client–dealer',
  'party1–party0',
  'party0–dealer',
  'party1–dealer',
] as const;
export type LinkName = (typeof LINKS)[number];

/** Nodes and what stands on their links. */
export interface Proxied {
  proxies: Record<LinkName, FaultProxy>;
  tls: boolean;
  /** Waits until each node has a link to the other two. @returns whether it came to that in time */
  ready(ms?: number): Promise<boolean>;
  stop(): void;
}

export interface ProxiedNodes extends Proxied {
  nodes: Record<NodeRole, OneNode>;
  /** An owner session through the clients' proxies. */
  connect(): Promise<Session>;
}

export const openssl = spawnSync('openssl', ['version']).status === 0;

/** A certificate for 127.0.0.1 that signs itself. */
export function certify(key: string, cert: string): void {
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const made = spawnSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '1', ...names]);
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
  chmodSync(key, 0o600);
}

/** @param tls whether the links go through TLS, which takes the command openssl */
export async function startProxiedNodes(tls: boolean): Promise<ProxiedNodes> {
  const secret = () => randomBytes(32).toString('base64');
  const token = secret();
  const { path, remove } = secretFiles({ node: secret(), client: token, key: '', cert: '' });
  if (tls) certify(path.key, path.cert);
  const ca = tls ? readFileSync(path.cert, 'utf8') : undefined;
  const common = ['--node-token-file', path.node, '--client-token-file', path.client];
  if (tls) common.push('--tls-cert', path.cert, '--tls-key', path.key, '--tls-ca', path.cert);
  const nodes = {} as Record<NodeRole, OneNode>;
  const proxies = {} as Record<LinkName, FaultProxy>;
  const before = async (link: LinkName) => {
    const role = link.split('–')[1] as NodeRole;
    proxies[link] = await FaultProxy.listen(() => targetOf(nodes[role].url));
    return proxies[link].url;
  };
  const party = (index: string, dealer: string, ...more: string[]) =>
    startNode('party', '--index', index, '--dealer', dealer, ...more, ...common);
  const stop = () => {
    for (const { child } of Object.values(nodes)) child.kill('SIGKILL');
    for (const proxy of Object.values(proxies)) void proxy.close();
    remove();
  };
  try {
    nodes.dealer = await startNode('dealer', ...common);
    nodes.party0 = await party('0', await before('party0–dealer'));
    const links = [await before('party1–dealer'), '--peer', await before('party1–party0')] as const;
    nodes.party1 = await party('1', ...links);
    for (const role of NODES) await before(`client–${role}`);
  } catch (error) {
    stop();
    throw error;
  }
  return {
    proxies,
    nodes,
    tls,
    connect: () =>
      Session.connect((role) => dialSocket(proxies[`client–${role}`].url, nodeName[role], ca), tokenFrom(token)),
    ready: (ms = 20_000) => until(() => NODES.every((role) => isLinked(nodes[role].log)), ms),
    stop,
  };
}

/** Whether a node has links to the other two: its last line about another tells. */
export function isLinked(log: readonly string[]): boolean {
  const there = new Set<unknown>();
  for (const line of log) {
    const { event, node } = (line.startsWith('{') ? JSON.parse(line) : {}) as Record<string, unknown>;
    // A process that has just begun
    if (event === 'listening') there.clear();
    else if (event === 'connected' && node !== 'client') there.add(node);
    else if (event === 'left') there.delete(node);
  }
  return there.size === NODES.length - 1;
}
