/// <reference lib="esnext.disposable" preserve="true" />
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncDispose, dispose } from '../disposing.js';
import { command, LocalProcesses } from './local-process.js';
import type { NodeRole } from './run.js';

/**
 * Three nodes as processes of this machine, talking over WebSockets on loopback. At the end of a block with `using`
 * they end.
 */
export interface LocalNodes extends Disposable, AsyncDisposable {
  urls: Record<NodeRole, string>;
  /** the clients' */
  token: string;
  /** the one secret of the three nodes */
  nodeToken: string;
  processes: Record<NodeRole, ChildProcess>;
  /** the last lines that a node has logged, in all its lives */
  log(role: NodeRole): string[];
  /** starts one of them again, on the address it had */
  restart(role: NodeRole): Promise<void>;
  /** Ends the processes at once, and removes their tokens. */
  stop(): void;
}

/**
 * Starts the nodes with fresh tokens in a temporary folder.
 * @param script what Node runs as a node, and arguments before the node's own; the command `party-node` if absent
 * @param flags of all of them, beside their own
 */
export async function startLocalNodes(
  script: readonly string[] = command,
  flags: readonly string[] = [],
): Promise<LocalNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-'));
  const tokens = { node: randomBytes(32).toString('base64'), client: randomBytes(32).toString('base64') };
  for (const [name, text] of Object.entries(tokens)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const urls = {} as Record<NodeRole, string>;
  const processes = new LocalProcesses(script);
  const dials: Record<NodeRole, () => string[]> = {
    dealer: () => [],
    party0: () => ['--dealer', urls.dealer],
    party1: () => ['--dealer', urls.dealer, '--peer', urls.party0],
  };
  const start = async (role: NodeRole, port: string) => {
    const files = ['--node-token-file', join(folder, 'node'), '--client-token-file', join(folder, 'client')];
    const got = await processes.start(role, port, join(folder, role), [...dials[role](), ...files, ...flags]);
    urls[role] = `ws://127.0.0.1:${got}`;
  };
  const stop = () => {
    processes.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const role of ['dealer', 'party0', 'party1'] as const) await start(role, '0');
  } catch (error) {
    stop();
    throw error;
  }
  process.once('exit', stop);
  return {
    urls,
    token: tokens.client,
    nodeToken: tokens.node,
    processes: processes.children,
    log: (role) => processes.log(role),
    restart: (role) => start(role, new URL(urls[role]).port),
    stop,
    [dispose]: stop,
    [asyncDispose]: async () => stop(),
  };
}
