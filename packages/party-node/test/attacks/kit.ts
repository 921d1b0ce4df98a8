import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Graph } from '@secformer/secformer-ops';
import { Session, tokenFrom } from '../../src/index.js';
import { dialSocket, type LocalNodes } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * Whole numbers below `n`, the same for the same seed (mulberry32): an attack that found something can be made again.
 */
export function randomFrom(seed: number): (n: number) => number {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export function randomBytesFrom(random: (n: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)));
}

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** Where an attack connects to. */
export interface Target {
  host: string;
  port: number;
  tls?: boolean;
}

export function targetOf(url: string): Target {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname, port: Number(port), tls: protocol === 'wss:' };
}

/**
 * A connection without WebSocket, through TLS where the target speaks it. A stranger does not care whose certificate it
 * is.
 */
export function rawSocket({ host, port, tls }: Target): Socket {
  const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connectPlain({ host, port });
  socket.on('error', () => {});
  return socket;
}

// ---- the nodes

const bin = fileURLToPath(new URL('../../../bin.js', import.meta.url));

/** A node that a test starts by itself, beside those of `startLocalNodes` or in their place. */
export interface OneNode {
  url: string;
  child: ChildProcess;
  log: string[];
}

/** Files that only this user reads, as nodes want their tokens. @returns their paths, and how to remove them */
export function secretFiles<K extends string>(
  texts: Record<K, string>,
): { path: Record<K, string>; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'attack-'));
  const path = {} as Record<K, string>;
  for (const name of Object.keys(texts) as K[]) {
    path[name] = join(folder, name);
    writeFileSync(path[name], texts[name], { mode: 0o600 });
  }
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts the command `party-node` with these arguments, and waits until it listens. */
export async function startNode(...args: string[]): Promise<OneNode> {
  const child = spawn(process.execPath, [bin, ...args, '--listen', '127.0.0.1:0', '--threads', '1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: string[] = [];
  createInterface(child.stderr).on('line', (line) => log.push(line));
  process.once('exit', () => child.kill('SIGKILL'));
  for (const until = performance.now() + 20_000; ; await sleep(20)) {
    const listening = linesOf(log, 'listening')[0];
    if (listening) return { url: String(listening.address), child, log };
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`the node did not start: ${log.join('\n')}`);
  }
}

/** Lines of a log with this event. */
export function linesOf(log: readonly string[], event: string): Record<string, unknown>[] {
  return log
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => [JSON.parse(line) as Record<string, unknown>].filter((fields) => fields.event === event));
}

/** Waits for something that is looked at again and again. @returns whether it came in time */
export async function until(there: () => boolean, ms = 20_000): Promise<boolean> {
  for (const end = performance.now() + ms; !there(); await sleep(20)) if (performance.now() > end) return false;
  return true;
}

/** What a process has open and takes; of Linux alone, zeros elsewhere. */
export interface Census {
  pid: number | undefined;
  ended: boolean;
  descriptors: number;
  /** bytes that are in memory now */
  resident: number;
}

export function censusOf(child: ChildProcess): Census {
  const { pid } = child;
  const ended = child.exitCode !== null || child.signalCode !== null;
  if (process.platform !== 'linux' || ended) return { pid, ended, descriptors: 0, resident: 0 };
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { pid, ended, descriptors: readdirSync(`/proc/${pid}/fd`).length, resident: pages * 4096 };
}

export function census(nodes: LocalNodes): Record<NodeRole, Census> {
  return Object.fromEntries(NODES.map((role) => [role, censusOf(nodes.processes[role])])) as Record<NodeRole, Census>;
}

/**
 * Milliseconds that the thread of a node which holds its connections was ready to go on, and had no processor: not what
 * an attack on the node costs. Of Linux alone.
 */
export function waited(child: ChildProcess): number {
  if (process.platform !== 'linux' || child.exitCode !== null || child.signalCode !== null) return 0;
  return Number(readFileSync(`/proc/${child.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

/** What is wrong with processes after an attack: nothing, if none ended and each holds about what it held before. */
export function harm(before: Record<string, Census>, after: Record<string, Census>): string[] {
  return Object.entries(before).flatMap(([name, b]) => {
    const a = after[name]!;
    const wrong: string[] = [];
    if (a.ended || a.pid !== b.pid) wrong.push(`${name} ended`);
    if (a.descriptors > b.descriptors + 4)
      wrong.push(`${name} has ${a.descriptors} descriptors open, ${b.descriptors} before`);
    // The heap grows with use and is not given back at once; what leaks with each connection or frame would be more
    if (a.resident > b.resident + 160 * 2 ** 20)
      wrong.push(`${name} takes ${a.resident >> 20} MiB, ${b.resident >> 20} before`);
    return wrong;
  });
}

export function showCensus(c: Record<string, Census>): string {
  return Object.entries(c)
    .map(([name, { descriptors, resident }]) => `${name} ${descriptors} descriptors ${resident >> 20} MiB`)
    .join(', ');
}

// ---- an honest client

const gelu: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2] },
    { op: 'gelu', form: 'erf', in: [0], shape: [2] },
  ],
  outputs: [1],
};

export const connect = (nodes: Pick<LocalNodes, 'urls' | 'token'>) =>
  Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));

export async function honestRun(session: Session, tensor = 1): Promise<void> {
  await session.write(tensor, Float32Array.of(1, -1), [2]);
  const { outputs } = await session.run({ graph: gelu, slots: [{ tensor }], revealed: [0], kept: [], suite: 'exact' });
  session.free([tensor]);
  const [y, z] = outputs[0]!;
  if (Math.abs(y! - 0.8413447) > 1e-4 || Math.abs(z! + 0.1586553) > 1e-4)
    throw new Error(`a wrong result: ${outputs[0]}`);
}

/**
 * Connects, writes, runs, looks at the result and leaves, with the tries that a Session makes by itself. @returns
 * milliseconds of all of it, and of connecting
 */
export async function honest(nodes: Pick<LocalNodes, 'urls' | 'token'>): Promise<{ ms: number; connectMs: number }> {
  const start = performance.now();
  const session = await connect(nodes);
  const connectMs = performance.now() - start;
  try {
    await honestRun(session);
  } finally {
    session.close();
  }
  return { ms: performance.now() - start, connectMs };
}

// ---- attackers in a process of their own, so that their work is not taken for the nodes'

/**
 * Calls a function of an attack's module in another process.
 * @param onNote what the attack says on its way
 * @returns its result, and how to end it at once
 */
export function inChild<T>(
  module: string,
  name: string,
  argument: unknown,
  onNote: (note: unknown) => void = () => {},
): { result: Promise<T>; kill: () => void } {
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [module, name], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send({ argument });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const result = new Promise<T>((resolve, reject) => {
    child.on('message', (m: { result?: T; note?: unknown; error?: string }) => {
      if ('note' in m) onNote(m.note);
      else if ('error' in m) reject(new Error(m.error));
      else resolve(m.result as T);
    });
    child.once('exit', (code) => reject(new Error(`the attacker ended with ${code}`)));
  });
  result.catch(() => {});
  return { result, kill };
}
