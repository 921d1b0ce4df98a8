import { readFileSync } from 'node:fs';
import { answerOf, TextModel } from '@secformer/bert-loader';
import { loadPublished } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';
import express from 'express';

const { SECFORMER_NETWORK, SECFORMER_KEY, SECFORMER_GRANT, MODEL = 'sst2', PORT = '3000' } = process.env;
const read = (file) => readFileSync(file, 'utf8').trim();

// One model, and one connection, for all requests
await tf.setBackend('secformer');
const model = await loadPublished(MODEL, {
  network: JSON.parse(read(SECFORMER_NETWORK)),
  key: read(SECFORMER_KEY),
  grant: read(SECFORMER_GRANT),
});
const texts = await TextModel.of(model);

const app = express();
app.use(express.json({ limit: '16kb' }));

app.post('/ask', async (request, response) => {
  const text = request.body?.text;
  if (typeof text !== 'string') return response.status(400).json({ error: 'expected a JSON body: {"text": "…"}' });
  // Whoever hangs up is not asked for any more: the nodes are free for others
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const [{ name, shape, values, truncated }] = await texts.ask([text], { signal: gone.signal });
  response.json({ ...answerOf(name, shape, values, texts.reading), truncated });
});

// What a caller can do something about; whatever else fails is this server's or a node's failure
const STATUS = {
  BUSY: 429,
  GAVE_WAY: 429,
  QUOTA_SPENT: 429,
  TOO_MANY_CONNECTIONS: 503,
  UNREACHABLE: 503,
  LINK_CLOSED: 503,
  MODEL_DAMAGED: 503,
  NO_PROGRESS: 504,
};
app.use((error, _request, response, _next) => {
  // Nobody is there any more
  if (response.closed) return;
  // Express's own errors have a status: a body that is no JSON, or too long
  const status = STATUS[error.code] ?? error.status ?? 500;
  const again = error.retryAfterMs ?? (status === 503 || status === 504 ? 1000 : undefined);
  if (again) response.set('Retry-After', String(Math.ceil(again / 1000)));
  if (status === 500) console.error(error);
  response.status(status).json({ error: status === 500 ? 'failed' : error.message, code: error.code });
});

const server = app.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}`),
);
// Requests under way have their answers first
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close(() => model.dispose()));
