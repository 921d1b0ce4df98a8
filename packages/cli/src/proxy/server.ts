/** The proxy's HTTP server: what every request meets before its interface does, and which interfaces there are. */
import fastifySwagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { docsPage } from './docs-page.js';
import { answerErrors, plainForm, schemaError } from './forms.js';
import { type GuardOptions, guard } from './guard.js';
import { limits } from './limits.js';
import { oip } from './oip.js';
import { openai, openaiForm } from './openai.js';
import { gone, late, Refusal } from './refusals.js';
import type { Relay, Waiting } from './relay.js';
import { release } from './release.js';
import { tei, teiForm } from './tei.js';
import { tfServing } from './tf-serving.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** until when its client waits */
    waiting: Waiting;
    /** code of its refusal */
    refused: string | undefined;
  }
}

export interface ServerOptions extends GuardOptions {
  relay: Relay;
  /** how long an answer may take, in milliseconds */
  answerMs?: number | undefined;
  /** hears of failures that nobody expected, without anything of a request in them */
  report: (line: string) => void;
  /** PEM, for TLS */
  tls?: { cert: string; key: string } | undefined;
}

/** Nothing is kept, guessed, framed or read from elsewhere. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** A server that does not listen yet. */
export async function makeServer(o: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    // A log of requests would be one of who asked what; errors are reported without what came
    logger: false,
    bodyLimit: limits.textBytes,
    requestTimeout: limits.arriveMs,
    // Whoever takes nothing of an answer
    connectionTimeout: (o.answerMs ?? limits.answerMs) + limits.arriveMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    schemaErrorFormatter: (errors, where) => schemaError(errors, where),
    // What came is checked as it is: a number in quotes is none
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, verbose: true, allowUnionTypes: true } },
    http: { maxHeaderSize: limits.headerBytes },
    ...(o.tls && { https: { ...o.tls, maxHeaderSize: limits.headerBytes } }),
  }) as unknown as FastifyInstance;
  app.server.maxConnections = limits.connections;
  // A page may send text without asking for leave; programs send JSON
  app.removeContentTypeParser('text/plain');
  // Schemas say what comes; answers are what the code makes
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  meet(app, o);
  answerErrors(app, { form: plainForm, report: o.report });
  app.setNotFoundHandler((_, reply) => {
    void reply.code(404).send({ error: 'there is no such route; GET /docs shows those that there are' });
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'secformer proxy',
        description: 'Published models behind interfaces that programs know; texts stay on this machine.',
        version: release,
      },
      ...(o.token !== undefined && {
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
        security: [{ bearer: [] }],
      }),
    },
    transform: ({ schema, url }) => {
      const called = url.includes('/versions/') ? ':version:predict' : ':name:predict';
      return { schema, url: url.replace(':call', called) };
    },
  });
  const { relay, report } = o;
  await app.register(tei, { relay, report, form: teiForm });
  await app.register(openai, { relay, report, form: openaiForm });
  await app.register(oip, { relay, report, form: plainForm });
  await app.register(tfServing, { relay, report, form: plainForm });
  await app.register(operation, { relay });
  await app.register(docsPage, { models: relay.models.all.map(({ title }) => title) });
  await app.ready();
  return app;
}

async function operation(app: FastifyInstance, { relay }: { relay: Relay }): Promise<void> {
  const schema = (summary: string) => ({ schema: { tags: ['Operation'], summary } });
  app.get('/metrics', schema('Metrics for Prometheus'), async (_, reply) => {
    reply.type(relay.metrics.contentType);
    return relay.metrics.text();
  });
  app.get('/openapi.json', schema('This description'), async () => app.swagger());
}

/** What happens to a request before its body is read, and when it is over. */
function meet(app: FastifyInstance, o: ServerOptions): void {
  const check = guard(o);
  const answerMs = o.answerMs ?? limits.answerMs;
  let [under, closing] = [0, false];
  app.addHook('preClose', async () => {
    closing = true;
  });
  // Else the server would wait until its client closes the connection
  app.addHook('onSend', async (_, reply) => {
    if (closing) reply.header('Connection', 'close');
  });
  app.decorateRequest('waiting');
  app.decorateRequest('refused', undefined);
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers(HEADERS);
    const asks = request.method === 'POST';
    const waits = new AbortController();
    const timer = setTimeout(() => waits.abort(late(answerMs)), answerMs);
    const counted = o.relay.metrics.begin(request.routeOptions.url ?? 'none');
    if (asks) under++;
    let over = false;
    /** @param left has the client gone before its answer was written? */
    const end = (left: boolean) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (asks) under--;
      if (left) waits.abort(gone());
      counted(left ? gone().status : reply.raw.statusCode, left ? gone().code : request.refused);
    };
    reply.raw.once('finish', () => end(false));
    reply.raw.once('close', () => end(true));
    request.waiting = { signal: waits.signal };
    check(request.headers);
    if (asks && under > limits.requests) {
      // Its body is not read, so that nothing else can come over this connection
      reply.header('Connection', 'close');
      throw new Refusal(429, 'overloaded', `${limits.requests} requests are under way`, limits.retryMs);
    }
  });
}
