/** Serves the built page on this machine, with the policy that it is made for. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The built page's folder. */
export const PAGE = fileURLToPath(new URL('../page/', import.meta.url));

/** The Content-Security-Policy that the page works under: its own files, and WebSockets. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self' ws: wss:",
  "worker-src 'self'",
  "img-src 'self' data:",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
};

/** A page that is served. */
export interface ServedPage {
  url: string;
  close(): Promise<void>;
}

/**
 * Serves the page on a free port of loopback.
 * @param config content of config.json beside it, read at each request; undefined: there is none
 * @throws Error where the page was not built
 */
export async function servePage(config: () => unknown): Promise<ServedPage> {
  const files = filesOf(PAGE);
  if (!files.has('/index.html')) throw new Error(`there is no page in ${PAGE}; build it with npm run build`);
  let hosts: readonly string[] = [];
  const server = createServer((request, response) => {
    // config.json has a key: a name that somebody points at this machine must not make it another site's
    if (hosts.includes(request.headers.host ?? '')) answer(request, response, files, config);
    else refuse(response, 421);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** All files by their paths in URLs; no other path is looked at. */
function filesOf(folder: string): Map<string, Buffer> {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      entries.map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [`/${path.slice(folder.length).replaceAll('\\', '/')}`, readFileSync(path)];
      }),
    );
  } catch {
    return new Map();
  }
}

function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, Buffer>,
  config: () => unknown,
): void {
  const asked = (url ?? '/').split('?')[0]!;
  const path = asked === '/' ? '/index.html' : asked;
  const body = path === '/config.json' ? configOf(config) : files.get(path);
  const read = method === 'GET' || method === 'HEAD';
  if (!read || !body) {
    refuse(response, read ? 404 : 405);
    return;
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'content-length': body.length,
    'content-security-policy': POLICY,
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function configOf(config: () => unknown): Buffer | undefined {
  const content = config();
  return content === undefined ? undefined : Buffer.from(JSON.stringify(content));
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end();
}
