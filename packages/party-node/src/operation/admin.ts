import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { isLoopback } from '../wire/url.js';
import type { Log } from './log.js';

export interface Reply {
  status: number;
  /** content type */
  type: string;
  body: string | Uint8Array;
}

/** An answer that goes on until one of the two ends it. */
export interface Streamed {
  /** content type */
  type: string;
  stream: (to: ServerResponse) => void;
}

export type Answer = Reply | Streamed;

/** What is there to be read, by path. */
export type Pages = Readonly<Record<string, () => Reply | Promise<Reply>>>;

export interface AdminOptions {
  host: string;
  port: number;
  pages: Pages;
  /** what is at any other path, undefined where nothing is */
  others?: (path: string) => Answer | undefined | Promise<Answer | undefined>;
  log: Log;
}

export function jsonReply(status: number, value: unknown): Reply {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

export const textReply = (status: number, text: string): Reply => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${text}\n`,
});

/** Nothing is kept, guessed, framed or fetched from elsewhere. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * A node's admin port, for its operator: read only, without a password, and therefore on loopback or in a network that
 * is the operator's own. Nothing that it answers holds data of a client or a publisher.
 */
export class Admin {
  readonly #o: AdminOptions;
  readonly #server;
  readonly #local: boolean;

  constructor(options: AdminOptions) {
    this.#o = options;
    this.#local = isLoopback(options.host);
    this.#server = createServer(
      {
        headersTimeout: limits.adminMs,
        requestTimeout: limits.adminMs,
        keepAliveTimeout: limits.adminMs,
        connectionsCheckingInterval: 1_000,
        maxHeaderSize: limits.adminHeaderBytes,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = limits.adminConnections;
    // Whoever sends nothing, or takes nothing
    this.#server.timeout = 2 * limits.adminMs;
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  /** @returns the port. @throws NodeError BAD_CONFIGURATION where it cannot listen there */
  async open(): Promise<number> {
    const { host, port, log } = this.#o;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const what = `cannot listen on ${host}:${port} for --admin (${cause.message})`;
        reject(new NodeError('client', 'BAD_CONFIGURATION', what, { cause }));
      });
      this.#server.listen(port, host.replace(/^\[|\]$/g, ''), resolve);
    });
    this.#server.on('error', (error) => log('listener', { why: error.message }));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Answer;
    try {
      reply = await this.#reply(request);
    } catch (error) {
      this.#o.log('failed', { why: (error as Error).stack });
      reply = textReply(500, 'This page could not be made; the log says why.');
    }
    if ('stream' in reply) {
      response.writeHead(200, { ...HEADERS, 'Content-Type': reply.type });
      if (request.method === 'HEAD') response.end();
      else reply.stream(response);
      return;
    }
    const body = Buffer.from(reply.body);
    response.writeHead(reply.status, {
      ...HEADERS,
      'Content-Type': reply.type,
      'Content-Length': body.length,
      // What may come with such a request is never read, and its connection ends
      ...(reply.status === 405 && { Allow: 'GET, HEAD', Connection: 'close' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #reply({ method, url = '/', headers }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return textReply(405, 'This port only tells; it changes nothing.');
    const path = url.split('?', 1)[0]!;
    const page = Object.hasOwn(this.#o.pages, path) ? this.#o.pages[path] : undefined;
    // A page elsewhere may give its own name this address, and read what its visitor's machine answers. Scrapers in the
    // operator's network know a node by name
    if ((this.#local || !page) && !isLocal(headers.host))
      return textReply(421, 'A name may be anybody’s: ask by an address, or as localhost from this machine.');
    const answer = page ? await page() : await this.#o.others?.(path);
    return answer ?? textReply(404, `There are ${Object.keys(this.#o.pages).join(', ')}.`);
  }
}

/** Does a Host header say where it was sent to by an address, or as localhost? */
function isLocal(host = ''): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || isIP(name) !== 0;
}
