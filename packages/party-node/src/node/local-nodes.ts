import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NodeRole } from './run.js';
import { threadsBeside } from './threads.js';

/** Three nodes as processes of this machine, talking over WebSockets on loopback. */
export interface LocalNodes {
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

/** How long a node may take to listen. */
const START_MS = 20_000;
/** Lines of a node's log that are remembered. */
const LINES = 2_000;

const bin = fileURLToPath(new URL('../../../bin.js', import.meta.url));

/**
 * Starts the nodes with fresh tokens in a temporary folder.
 * @param script what Node runs as a node, and arguments before the node's own; the command `party-node` if absent
 */
export async function startLocalNodes(script: readonly string[] = [bin]): Promise<LocalNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-'));
  const tokens = { node: randomBytes(32).toString('base64'), client: randomBytes(32).toString('base64') };
  for (const [name, text] of Object.entries(tokens)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const urls = {} as Record<NodeRole, string>;
  const ports = {} as Record<NodeRole, string>;
  const processes = {} as Record<NodeRole, ChildProcess>;
  const logs: Record<NodeRole, string[]> = { dealer: [], party0: [], party1: [] };
  const flags: Record<NodeRole, () => string[]> = {
    dealer: () => ['dealer'],
    party0: () => ['party', '--index', '0', '--dealer', urls.dealer],
    party1: () => ['party', '--index', '1', '--dealer', urls.dealer, '--peer', urls.party0],
  };
  const start = async (role: NodeRole, port: string) => {
    const data = join(folder, role);
    rmSync(data, { recursive: true, force: true });
    const common = [
      '--listen',
      `127.0.0.1:${port}`,
      '--node-token-file',
      join(folder, 'node'),
      '--client-token-file',
      join(folder, 'client'),
      '--data-dir',
      data,
      '--threads',
      String(threadsBeside(role)),
    ];
    // A node itself says and hears nothing over the channel; what is run in its place may
    const child = spawn(process.execPath, [...script, ...flags[role](), ...common], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const lines = logs[role];
    createInterface(child.stderr!).on('line', (line) => {
      lines.push(line);
      if (lines.length > LINES) lines.splice(0, LINES / 2);
    });
    processes[role] = child;
    for (const began = performance.now(); !existsSync(join(data, 'address')); ) {
      if (child.exitCode !== null || performance.now() - began > START_MS)
        throw new Error(`${role} did not start: ${lines.slice(-20).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const url = `ws://${readFileSync(join(data, 'address'), 'utf8').trim()}`;
    ports[role] = new URL(url).port;
    urls[role] = url;
  };
  const stop = () => {
    for (const child of Object.values(processes)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start('dealer', '0');
    await start('party0', '0');
    await start('party1', '0');
  } catch (error) {
    stop();
    throw error;
  }
  process.once('exit', stop);
  return {
    urls,
    token: tokens.client,
    nodeToken: tokens.node,
    processes,
    log: (role) => [...logs[role]],
    restart: (role) => start(role, ports[role]),
    stop,
  };
}
