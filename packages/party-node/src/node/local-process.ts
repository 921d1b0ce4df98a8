/** Nodes as processes of this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { processFlags } from './process-flags.js';
import type { NodeRole } from './run.js';
import { threadsBeside } from './threads.js';

/** How long a node may take to listen. */
const START_MS = 20_000;
/** Lines of a node's log that are remembered. */
const LINES = 2_000;

/** What Node runs as a node: the command `party-node`. */
export const command: readonly string[] = [fileURLToPath(new URL('../../../bin.js', import.meta.url))];

const endsWithParent = new URL('./ends-with-parent.js', import.meta.url).href;

/** The processes of three nodes, which may end and be started again. */
export class LocalProcesses {
  readonly children = {} as Record<NodeRole, ChildProcess>;
  readonly #script: readonly string[];
  readonly #logs: Record<NodeRole, string[]> = { dealer: [], party0: [], party1: [] };

  /** @param script what Node runs as a node, and arguments before the node's own */
  constructor(script: readonly string[]) {
    this.#script = script;
  }

  /** The last lines that a node has logged, in all its lives. */
  log(role: NodeRole): string[] {
    return [...this.#logs[role]];
  }

  /**
   * Starts a node, and waits until it listens.
   * @param flags its own, beside where it listens and how many threads it takes
   * @param data its --data-dir
   * @returns the port that it listens on
   */
  async start(role: NodeRole, port: string, data: string, flags: readonly string[]): Promise<string> {
    const address = join(data, 'address');
    rmSync(address, { force: true });
    const [name, ...index] = role === 'dealer' ? ['dealer'] : ['party', '--index', role.slice(-1)];
    const common = ['--listen', `127.0.0.1:${port}`, '--data-dir', data, '--threads', String(threadsBeside(role))];
    // A node itself says and hears nothing over the channel; what is run in its place may
    const before = [...processFlags, '--import', endsWithParent];
    const child = spawn(process.execPath, [...before, ...this.#script, name!, ...index, ...flags, ...common], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const lines = this.#logs[role];
    createInterface(child.stderr!).on('line', (line) => {
      lines.push(line);
      if (lines.length > LINES) lines.splice(0, LINES / 2);
    });
    this.children[role] = child;
    for (const began = performance.now(); !existsSync(address); ) {
      if (child.exitCode !== null || performance.now() - began > START_MS)
        throw new Error(`${role} did not start: ${lines.slice(-20).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return new URL(`ws://${readFileSync(address, 'utf8').trim()}`).port;
  }

  /** Ends a process at once, as a power cut does. @returns when it is gone */
  async kill(role: NodeRole): Promise<void> {
    const child = this.children[role];
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  stop(): void {
    for (const child of Object.values(this.children)) child.kill('SIGKILL');
  }
}
