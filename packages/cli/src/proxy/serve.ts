/** `secformer proxy`: published models behind HTTP interfaces that programs know. */
import { readFileSync } from 'node:fs';
import { isLoopback, readToken } from '@secformer/party-node/node';
import { UsageError } from '../failures.js';
import { type IdentityFlags, readGrant, readIdentity } from '../files.js';
import type { Service } from '../service.js';
import type { Terminal } from '../terminal.js';
import { loadTf } from '../tfjs.js';
import { limits } from './limits.js';
import { Relay } from './relay.js';
import { Models, openServed, type Served, type Task, tasksOf } from './served.js';

export interface ProxyFlags extends IdentityFlags {
  grant?: string[];
  listen: { host: string; port: number };
  tokenFile?: string;
  tlsCert?: string;
  tlsKey?: string;
  /** seconds */
  timeout?: number;
}

/** The first SIGTERM or SIGINT; a second one ends the process at once. */
export function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let before = false;
    const stop = () => {
      if (before) process.exit(1);
      before = true;
      resolve();
    };
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
  });
}

/**
 * Serves until it is told to stop, and then ends the requests under way.
 * @param refs 'name@version' or 'name'
 * @param stop when to stop
 * @throws UsageError, and what `loadPublished` of the backend throws
 */
export async function serveProxy(
  refs: readonly string[],
  flags: ProxyFlags,
  service: Service,
  terminal: Terminal,
  stop: () => Promise<void> = signalled,
): Promise<void> {
  const { host, port } = flags.listen;
  const local = isLoopback(host);
  const token = flags.tokenFile === undefined ? undefined : readToken(flags.tokenFile).text;
  if (!local && token === undefined)
    throw new UsageError(
      `--listen ${host}:${port} is open to other machines: give --token-file, made by party-node token, or listen on ` +
        '127.0.0.1',
    );
  const tls = tlsOf(flags);
  const identity = readIdentity(flags);
  const grants = (flags.grant ?? []).map(readGrant);
  const { tf } = await loadTf();
  const { makeServer } = await import('./server.js');
  const opened: Served[] = [];
  try {
    for (const ref of refs) {
      const grant = grantFor(ref, grants);
      const served = await openServed(service, ref, { ...identity, ...(grant !== undefined && { grant }) });
      opened.push(served);
      if (opened.some((other) => other !== served && other.title === served.title))
        throw new UsageError(`${served.title} is named twice`);
    }
    const relay = new Relay(new Models(opened), tf);
    const answerMs = flags.timeout === undefined ? undefined : 1000 * flags.timeout;
    const report = (line: string) => terminal.err(`secformer: ${line}`);
    const app = await makeServer({ relay, local, token, answerMs, report, tls });
    const stopped = stop();
    const bound = await app.listen({ host: host.replace(/^\[|\]$/g, ''), port }).catch((cause: Error) => {
      throw new UsageError(`--listen ${host}:${port} cannot be listened on (${cause.message})`, { cause });
    });
    if (!local && !tls) terminal.err('secformer: without --tls-cert, who listens on the network can read texts');
    for (const served of opened) terminal.err(`secformer: ${served.title} answers ${routesOf(served)}`);
    terminal.out(`listening on ${bound}`);
    await stopped;
    // What still runs when its time is over has been told so by then
    const last = setTimeout(() => app.server.closeAllConnections(), (answerMs ?? limits.answerMs) + limits.retryMs);
    await app.close();
    clearTimeout(last);
  } finally {
    for (const { model } of opened) model.dispose();
  }
}

/** @throws UsageError where one of the two is missing, or cannot be read */
function tlsOf({ tlsCert, tlsKey }: ProxyFlags): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw new UsageError('give both --tls-cert and --tls-key');
  const text = (file: string, flag: string) => {
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw new UsageError(`${flag} ${file} cannot be read (${(cause as Error).message})`, { cause });
    }
  };
  return { cert: text(tlsCert, '--tls-cert'), key: text(tlsKey, '--tls-key') };
}

/** The grant that names this model; one alone is for all, and the nodes say what they think of it. */
export function grantFor(ref: string, grants: readonly string[]): string | undefined {
  if (grants.length <= 1) return grants[0];
  const name = ref.split('@', 1)[0];
  const found = grants.find((grant) => modelOf(grant) === name);
  if (found === undefined) throw new UsageError(`none of the files of --grant is for ${name}`);
  return found;
}

/** The model that a grant is for; the nodes check the grant itself. */
function modelOf(grant: string): unknown {
  try {
    return (JSON.parse(Buffer.from(grant.split('.')[1]!, 'base64url').toString()) as { model?: unknown }).model;
  } catch {
    return undefined;
  }
}

const ROUTES: Readonly<Record<Task, string>> = {
  embed: '/embed, /v1/embeddings',
  predict: '/predict',
  rerank: '/rerank',
};

function routesOf(served: Served): string {
  const texts = tasksOf(served).map((task) => ROUTES[task]);
  return [...texts, `/v2/models/${served.name}/infer`, `/v1/models/${served.name}:predict`].join(', ');
}
