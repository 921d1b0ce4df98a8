/** The worker: TensorFlow.js, the backend, the model and its tokenizer live here, so that typing stays smooth. */
import './policy.js';
import * as tf from '@tensorflow/tfjs-core';
import '@secformer/tfjs-mpc-backend';
import { type Connection, type Failed, type Reply, type Request, ROLES } from '../messages.js';
import { AskedPage } from './asked-model.js';
import { FrameReader } from './frames.js';
import { watchSockets } from './watched-socket.js';

const say = (reply: Reply) => self.postMessage(reply);

let question = 0;
/** Where each server listens. */
let addresses: readonly string[] = [];
let sockets = 0;
const readers = new WeakMap<WebSocket, { number: number; reader: FrameReader }>();

watchSockets((socket, frame) => {
  const server = ROLES[addresses.indexOf(socket.url)];
  if (!server) return;
  const known = readers.get(socket) ?? { number: ++sockets, reader: new FrameReader() };
  readers.set(socket, known);
  const message = known.reader.read(frame);
  if (!message) return;
  const { id, ...rest } = message;
  say({ kind: 'sent', sent: { server, question, key: `${known.number}:${id}`, ...rest } });
});

let page: AskedPage | undefined;
const progress = (event: Extract<Reply, { kind: 'progress' }>['progress']) =>
  say({ kind: 'progress', progress: event });

async function load(id: number, connection: Connection): Promise<void> {
  page?.dispose();
  page = undefined;
  addresses = addressesOf(connection.network);
  await tf.setBackend('secformer');
  page = await AskedPage.load(connection, progress);
  say({ kind: 'loaded', id, model: page.facts });
}

async function ask({ id, texts, question: number }: Extract<Request, { kind: 'ask' }>): Promise<void> {
  question = number;
  // A worker that has taken the place of one that failed has none
  if (!page) throw Object.assign(new Error('the model has to be loaded again'), { code: 'MODEL_DISPOSED' });
  const answered = await page.ask(texts, ({ ids, mask }) => say({ kind: 'plain', plain: { ids, mask } }));
  say({ kind: 'answered', id, answered });
}

/** As a WebSocket says its address. What is wrong with a network file is said where it is used. */
function addressesOf(network: unknown): string[] {
  return ROLES.map((role) => {
    const { url } = ((network as Record<string, unknown> | null)?.[role] ?? {}) as { url?: unknown };
    return typeof url === 'string' && URL.canParse(url) ? new URL(url).href : '';
  });
}

function failed(error: unknown): Failed {
  const { code, message, retryAfterMs } = error as { code?: unknown; message?: unknown; retryAfterMs?: unknown };
  return {
    code: typeof code === 'string' ? code : 'UNEXPECTED',
    message: typeof message === 'string' ? message : String(error),
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
  };
}

/** Requests follow one another. */
let turn: Promise<void> = Promise.resolve();
self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  turn = turn.then(async () => {
    try {
      await (data.kind === 'load' ? load(data.id, data.connection) : ask(data));
    } catch (error) {
      say({ kind: 'failed', id: data.id, failed: failed(error) });
    }
  });
});
