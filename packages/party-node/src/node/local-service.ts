/// <reference lib="esnext.disposable" preserve="true" />
/** Three nodes of a service as processes of this machine: known by their keys, with a publisher and its clients. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Secret } from '@secformer/ring';
import { asyncDispose, dispose } from '../disposing.js';
import { allow } from '../identity/access-file.js';
import { type GrantRequest, makeGrant } from '../identity/grants.js';
import { writeKeyFile } from '../identity/key-files.js';
import { type Network, networkFrom } from '../identity/network.js';
import { freshKeyPair, type KeyPair, publicKeyText } from '../wire/keys.js';
import type { PublisherLimits } from '../wire/principal.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { command, LocalProcesses } from './local-process.js';

/** Three nodes of a service as processes of this machine, with a publisher. At the end of a `using` block they end. */
export interface LocalService extends Disposable, AsyncDisposable {
  network: Network;
  networkFile: string;
  accessFile: string;
  /** holds everything that the nodes keep */
  folder: string;
  publisher: KeyPair;
  /** A client of its own, with a grant of the publisher. @param now when it is made, in seconds since 1970 */
  grant(
    request: Partial<GrantRequest> & { model: string },
    now?: number,
  ): Promise<{ key: Secret; grant: string; id: string }>;
  processes: Record<NodeRole, ChildProcess>;
  /** the last lines that a node has logged, in all its lives */
  log(role: NodeRole): string[];
  /** ends a node's process at once, as a power cut does */
  kill(role: NodeRole): Promise<void>;
  /** starts one of them again, on the address it had */
  restart(role: NodeRole): Promise<void>;
  /** Ends the processes at once, and removes what they have kept. */
  stop(): void;
}

/** How they are started; all of it is optional. */
export interface LocalServiceOptions {
  /** what Node runs as a node; the command `party-node` if absent */
  script?: readonly string[];
  /** more flags of a node */
  flags?: (role: NodeRole) => readonly string[];
  limits?: PublisherLimits;
  /** where a node finds another, such as through a proxy; where it listens, if absent */
  urlsOf?: (role: NodeRole, urls: Readonly<Record<NodeRole, string>>) => Partial<Record<NodeRole, string>>;
}

const PLENTY: PublisherLimits = { models: 100, bytes: 64 * 2 ** 30, runs: 1_000 };

/** Starts the nodes with fresh keys in a temporary folder. */
export async function startLocalService(o: LocalServiceOptions = {}): Promise<LocalService> {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-service-'));
  const ports = await freePorts(NODES.length);
  const urls = Object.fromEntries(NODES.map((role, i) => [role, `ws://127.0.0.1:${ports[i]}`])) as Record<
    NodeRole,
    string
  >;
  const nodes = Object.fromEntries(
    NODES.map((role) => {
      mkdirSync(join(folder, role), { mode: 0o700 });
      const { public: key } = writeKeyFile(join(folder, role, 'key'));
      return [role, { url: urls[role], key: publicKeyText(key) }];
    }),
  );
  const [networkFile, accessFile] = [join(folder, 'network.json'), join(folder, 'access.json')];
  writeFileSync(networkFile, JSON.stringify(nodes), { mode: 0o600 });
  const publisher = freshKeyPair();
  allow(accessFile, { name: 'publisher', key: publisher.public, limits: o.limits ?? PLENTY });
  const network = networkFrom(nodes);
  const processes = new LocalProcesses(o.script ?? command);
  const start = async (role: NodeRole) => {
    const { dealer, party0 } = o.urlsOf?.(role, urls) ?? {};
    const dials = [...(dealer ? ['--dealer', dealer] : []), ...(party0 && role === 'party1' ? ['--peer', party0] : [])];
    const files = ['--peers', networkFile, '--access', accessFile];
    const flags = [...(o.flags?.(role) ?? []), ...(role === 'dealer' ? [] : dials)];
    await processes.start(role, new URL(urls[role]).port, join(folder, role), [...files, ...flags]);
  };
  const stop = () => {
    processes.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const role of ['dealer', 'party0', 'party1'] as const) await start(role);
  } catch (error) {
    stop();
    throw error;
  }
  process.once('exit', stop);
  return {
    network,
    networkFile,
    accessFile,
    folder,
    publisher,
    async grant(request, now) {
      const client = freshKeyPair();
      const all = { subject: 'somebody', client: client.public, validSeconds: 3600, ...request };
      const { text, id } = await makeGrant(publisher, network.id, all, now);
      return { key: client.secret, grant: text, id };
    },
    processes: processes.children,
    log: (role) => processes.log(role),
    kill: (role) => processes.kill(role),
    restart: start,
    stop,
    [dispose]: stop,
    [asyncDispose]: async () => stop(),
  };
}

/** Ports that are free now: a network's file has to name them before its nodes listen. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
