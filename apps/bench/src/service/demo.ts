/** A model that its users may not see, asked about sentences that its owner may not see. */
import { readFileSync } from 'node:fs';
import { loadBert } from '@secformer/bert-loader';
import { freshKeyPair, type NodeError, secretKeyText } from '@secformer/party-node';
import { lastRun, loadPublished } from '@secformer/tfjs-mpc-backend';
import { MODEL, SENTENCES } from '../demo.js';
import { tf } from '../quiet-tfjs.js';
import { columns, end, megabytes, report, Steps } from '../report.js';
import { asked, sentenceOf, served } from './published-bert.js';

/** Tokens that the model is published for: every sentence fits. */
const TOKENS = 32;

interface Refused {
  client: string;
  code: string;
  message: string;
}

/** Three nodes as processes, a publisher, a client with a grant, and clients that are refused. */
export async function demoService(json: string | undefined): Promise<void> {
  const steps = new Steps(2 * SENTENCES.length + 6, json === '-');
  await tf.setBackend('cpu');
  const plain = await loadBert(MODEL);
  const sentences: { text: string; inputs: Awaited<ReturnType<typeof sentenceOf>>; plaintext: number[] }[] = [];
  for (const text of SENTENCES) {
    steps.next(`plaintext: ${text}`);
    const given = plain.tokenize(text, TOKENS);
    const logits = plain.logits(given);
    sentences.push({
      text,
      inputs: await sentenceOf(plain, text, TOKENS),
      plaintext: Array.from(await logits.data()),
    });
    tf.dispose([logits, ...Object.values(given)]);
  }
  const { labels } = plain.config;
  const labelOf = (logits: number[]) => labels[logits.indexOf(Math.max(...logits))]!;
  plain.dispose();

  await tf.setBackend('secformer');
  steps.next('publishing the model at three nodes');
  const model = await loadBert(MODEL);
  const { service, name, publishMs, client } = await served(model, { seq: TOKENS, suite: 'exact' });
  model.dispose();
  try {
    const somebody = await client('somebody');
    const rows: { text: string; plaintext: string; private: string; off: number }[] = [];
    let ms = 0;
    for (const { text, inputs, plaintext } of sentences) {
      steps.next(`asking: ${text}`);
      const start = performance.now();
      const got = Array.from(await asked(somebody, inputs));
      ms += performance.now() - start;
      const off = Math.max(...got.map((v, i) => Math.abs(v - plaintext[i]!)));
      rows.push({ text, plaintext: labelOf(plaintext), private: labelOf(got), off });
    }
    const { rounds, bytes } = lastRun()!;
    somebody.dispose();
    steps.next('asking without being allowed to');
    const refused = await refusals(service, name);
    steps.done();
    const worst = Math.max(...rows.map((r) => r.off));
    const agree = rows.every((r) => r.plaintext === r.private) && worst <= 0.02;
    const well = agree && refused.every(({ code }) => code !== 'OK');
    const record = { publishMs, meanMs: ms / rows.length, rounds, bytes, sentences: rows, refused, agree };
    report(record, json, () =>
      [
        columns([['sentence', 'plaintext', 'published'], ...rows.map((r) => [r.text, r.plaintext, r.private])]),
        '',
        `Three processes serve the model; it was published in ${(publishMs / 1000).toFixed(1)} s. An answer takes ` +
          `${(ms / rows.length).toFixed(0)} ms, ${rounds} rounds and ` +
          `${megabytes(bytes.p0p1 + bytes.p1p0)} between the parties, and no weight crosses a link any more.`,
        `Largest difference of a logit: ${worst.toExponential(1)}. ` +
          `${agree ? 'Every label agrees.' : 'The answers differ.'}`,
        '',
        columns([['asked', 'answer'], ...refused.map((r) => [r.client, r.code])]),
        ...refused.map(({ message }) => `  ${message}`),
      ].join('\n'),
    );
    if (!well) process.exitCode = 1;
  } finally {
    service.stop();
  }
  end();
}

/** What the nodes say to clients that may not ask. */
async function refusals(service: Awaited<ReturnType<typeof served>>['service'], name: string): Promise<Refused[]> {
  const network = JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;
  const own = secretKeyText(freshKeyPair().secret);
  const good = await service.grant({ model: name });
  const expired = await service.grant({ model: name }, Math.floor(Date.now() / 1000) - 86_400);
  const other = await service.grant({ model: 'another' });
  const clients: [string, { key: string; grant?: string }][] = [
    ['without a grant', { key: own }],
    ['with a grant that is over', { key: secretKeyText(expired.key), grant: expired.grant }],
    ['with a grant for another model', { key: secretKeyText(other.key), grant: other.grant }],
    ["with somebody else's grant", { key: own, grant: good.grant }],
  ];
  const refused: Refused[] = [];
  for (const [client, who] of clients) {
    try {
      (await loadPublished(name, { network, ...who })).dispose();
      refused.push({ client, code: 'OK', message: 'was let in' });
    } catch (error) {
      const { code, message } = error as NodeError;
      refused.push({ client, code, message });
    }
  }
  return refused;
}
