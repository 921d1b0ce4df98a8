// Programs of examples/ as processes, the nodes that they ask, and a server for their pages.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize, sep } from 'node:path';
import { createInterface } from 'node:readline';

export const root = join(import.meta.dirname, '../..');
export const example = (...path) => join(root, 'examples', ...path);

/** How long a program may take: some seconds, where the machine has nothing else to do. */
const PATIENCE_MS = 120_000;

/** Nothing of whoever runs the tests: an address or a key in the environment would be asked. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SECFORMER_')));

/** A program that runs on, and the lines that it prints. */
export class Running {
  #child;
  #lines = [];
  #errors = '';

  constructor(args, { cwd = root, env = {} } = {}) {
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'];
    this.#child = spawn(process.execPath, args, { cwd, env: { ...plain, ...env }, stdio });
    this.#child.stderr.on('data', (data) => {
      this.#errors += data;
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#lines.push(line));
  }

  /** @returns the first line that it prints with this in it */
  async said(pattern) {
    for (const began = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const line = this.#lines.find((l) => pattern.test(l));
      if (line !== undefined) return line;
      if (this.#child.exitCode !== null || performance.now() - began > PATIENCE_MS)
        throw new Error(`it did not say ${pattern}: ${this.#lines.join('\n')}\n${this.#errors}`);
    }
  }

  /** @param signal absent: lets go of it, which is heard where there are no signals too. @returns how it ended */
  async end(signal) {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      if (signal) this.#child.kill(signal);
      else this.#child.disconnect();
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
      await gone;
      clearTimeout(timer);
    }
    return { code: this.#child.exitCode, errors: this.#errors };
  }
}

/** Runs a program to its end. @returns its exit code and what it printed */
export async function run(args, { cwd = root, env = {}, input = '' } = {}) {
  const child = spawn(process.execPath, args, { cwd, env: { ...plain, ...env }, timeout: PATIENCE_MS });
  let [out, errors] = ['', ''];
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  // It may have ended before it has read all
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, out, errors };
}

/** The example local-nodes, which the others ask. */
export class Nodes {
  #running;
  #folder;

  static async start() {
    const nodes = new Nodes();
    nodes.#folder = mkdtempSync(join(tmpdir(), 'examples-'));
    const args = [example('local-nodes/index.js'), join(root, 'apps/bench/models/sst2-tiny'), nodes.file()];
    nodes.#running = new Running(args, { cwd: example('local-nodes') });
    await nodes.#running.said(/^ready/);
    return nodes;
  }

  /** One of the files that it has written, or that a test writes beside them. */
  file(name = '') {
    return join(this.#folder, name);
  }

  read(name) {
    return readFileSync(this.file(name), 'utf8').trim();
  }

  /** A grant of the publisher for somebody's public key. */
  async grant(model, client, ...flags) {
    const who = ['--key', this.file('publisher.key'), '--network', this.file('network.json')];
    const whom = ['--model', model, '--subject', 'somebody', '--client', client, '--days', '1', ...flags];
    const { code, out, errors } = await run([join(root, 'packages/party-node/bin.js'), 'grant', ...who, ...whom]);
    if (code !== 0) throw new Error(errors);
    return out;
  }

  /** Environment of a program that asks with this key and, where one is named, this grant. */
  as(key, grant) {
    const files = { SECFORMER_NETWORK: this.file('network.json'), SECFORMER_KEY: this.file(key) };
    return { ...files, ...(grant && { SECFORMER_GRANT: this.file(grant) }) };
  }

  async stop() {
    const ended = await this.#running.end();
    rmSync(this.#folder, { recursive: true, force: true });
    return ended;
  }
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

/** Serves a folder's files as they are, node_modules from the repository's, and a config.json. */
export async function servedStatic(folder, config) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(request.url.split('?')[0]));
    const base = path.startsWith(`${sep}node_modules${sep}`) ? root : folder;
    const file = join(base, path === sep ? 'index.html' : path);
    const found = path === `${sep}config.json` || (existsSync(file) && statSync(file).isFile());
    response.writeHead(found ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(!found ? '' : path === `${sep}config.json` ? config() : readFileSync(file));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
