import { existsSync } from 'node:fs';
import { type BertInputs, type BertModel, loadBert, randomBert } from '@secformer/bert-loader';
import { startLocalNodes } from '@secformer/party-node/node';
import { configure, type LastRun, lastRun, prepare, share } from '@secformer/tfjs-mpc-backend';
import { emulate, networks } from './network.js';
import { tf } from './quiet-tfjs.js';
import { columns, median, megabytes, milliseconds, report, Steps, UsageError } from './report.js';
import { useWasm } from './wasm.js';

export interface BertFlags {
  model: string;
  seq: number;
  batch: number;
  suite: string;
  runs: number;
  link: 'worker' | 'websocket';
  net: string;
  kernels: string;
  json?: string;
}

const WORDS = 30522;
const SHAPES = {
  tiny: { vocabSize: 1000, hidden: 128, layers: 2, heads: 2, intermediate: 512, positions: 512 },
  minilm: { vocabSize: WORDS, hidden: 384, layers: 6, heads: 12, intermediate: 1536, positions: 512 },
  base: { vocabSize: WORDS, hidden: 768, layers: 12, heads: 12, intermediate: 3072, positions: 512 },
  large: { vocabSize: WORDS, hidden: 1024, layers: 24, heads: 16, intermediate: 4096, positions: 512 },
} as const;

/** Text that a batch is filled from; shorter than most lengths, so that the attention mask has something to do. */
const TEXTS = [
  'A man walks into a cinema on a rainy evening and finds, to his own surprise, that the film he had been dreading is tender, patient and very funny.',
  'The committee met for the third time this week and once more could not agree on who should write the minutes.',
  'Nothing in the report explains why the bridge was closed, who closed it, or when the people on the other side may come home.',
];

async function loadModel(name: string): Promise<BertModel> {
  const shape = SHAPES[name as keyof typeof SHAPES];
  if (shape) return randomBert(shape);
  if (!existsSync(name)) throw new UsageError(`--model ${name}: neither a folder nor one of ${Object.keys(SHAPES).join(', ')}`);
  return loadBert(name);
}

function inputsOf(model: BertModel, f: BertFlags): BertInputs {
  if (!(f.model in SHAPES))
    return model.tokenize(
      Array.from({ length: f.batch }, (_, i) => TEXTS[i % TEXTS.length]!),
      f.seq,
    );
  const ids = Int32Array.from({ length: f.batch * f.seq }, (_, i) => (i * 7919 + 5) % model.config.vocabSize);
  const ints = (pick: (i: number) => number) =>
    tf.tensor2d(
      Int32Array.from(ids, (_, i) => pick(i)),
      [f.batch, f.seq],
      'int32',
    );
  // The last eighth is padding
  return { inputIds: ints((i) => ids[i]!), attentionMask: ints((i) => (i % f.seq < f.seq - (f.seq >> 3) ? 1 : 0)), tokenTypeIds: ints(() => 0) };
}

/** Errors of hidden states, and the smallest cosine of a mean-pooled embedding. */
function compare(got: Float32Array, want: Float32Array, mask: Int32Array, batch: number, seq: number): { maxAbs: number; meanAbs: number; cosine: number } {
  let [maxAbs, sum, cosine] = [0, 0, 1];
  got.forEach((v, i) => {
    const d = Math.abs(v - want[i]!);
    // Written so that NaN is not overlooked
    if (!(d <= maxAbs)) maxAbs = d;
    sum += d;
  });
  const hidden = got.length / (batch * seq);
  for (let b = 0; b < batch; b++) {
    const pooled = [got, want].map((v) =>
      Float64Array.from({ length: hidden }, (_, h) => mask.slice(b * seq, (b + 1) * seq).reduce((s, m, t) => s + m * v[(b * seq + t) * hidden + h]!, 0)),
    );
    const dot = (x: Float64Array, y: Float64Array) => x.reduce((s, v, i) => s + v * y[i]!, 0);
    const [p, q] = pooled as [Float64Array, Float64Array];
    cosine = Math.min(cosine, dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q)));
  }
  return { maxAbs, meanAbs: sum / got.length, cosine };
}

/** Private BERT inference beside plaintext TensorFlow.js, in one run. */
export async function bert(f: BertFlags): Promise<void> {
  const network = networks[f.net];
  if (network && f.link !== 'websocket') throw new UsageError(`--net ${f.net} emulates a network between processes; add --link websocket`);
  if (f.kernels === 'native') throw new UsageError('--kernels native: no native kernels are built here; use wasm or auto');
  const steps = new Steps(4 + f.runs, f.json === '-');
  steps.next('loading');
  await useWasm();
  const model = await loadModel(f.model);
  const inputs = inputsOf(model, f);
  steps.next('plaintext');
  const plain = { backend: tf.getBackend(), ms: [] as number[] };
  let want = new Float32Array(0);
  for (let i = 0; i < f.runs + 1; i++) {
    const start = performance.now();
    const y = model.hiddenStates(inputs);
    want = (await y.data()) as Float32Array<ArrayBuffer>;
    // The first run compiles
    if (i > 0) plain.ms.push(performance.now() - start);
    y.dispose();
  }
  const mask = (await inputs.attentionMask.data()) as Int32Array;

  steps.next('starting nodes');
  const nodes = f.link === 'websocket' ? await startLocalNodes(network && ((url) => emulate(url, network))) : undefined;
  try {
    const { urls, token } = nodes ?? {};
    configure({ suite: f.suite, ...(urls && { parties: [urls.party0, urls.party1], dealer: urls.dealer, token: token! }) });
    await tf.setBackend('secformer');
    steps.next('sharing weights');
    const began = performance.now();
    const first = model.hiddenStates(inputs);
    await share(first);
    await first.data();
    first.dispose();
    const setupMs = performance.now() - began;
    const opening = lastRun()!;

    const records: LastRun[] = [];
    let got = new Float32Array(0);
    for (let i = 0; i < f.runs; i++) {
      steps.next(`private run ${i + 1}`);
      const y = model.hiddenStates(inputs);
      const { values, record } = await (await prepare(y)).run();
      got = values as Float32Array<ArrayBuffer>;
      records.push(record);
      y.dispose();
    }
    steps.done();
    const last = records.at(-1)!;
    const error = compare(got, want, mask, f.batch, f.seq);
    const both = ({ bytes }: LastRun) => bytes.p0p1 + bytes.p1p0;
    const record = {
      command: 'bert',
      model: f.model,
      seq: f.seq,
      batch: f.batch,
      suite: f.suite,
      link: f.link,
      net: f.net,
      kernels: 'wasm',
      layers: model.config.layers,
      plaintext: plain,
      setup: { ms: [setupMs], bytes: both(opening) - both(last) },
      online: { ms: records.map((r) => r.onlineMs), bytes: { p0p1: last.bytes.p0p1, p1p0: last.bytes.p1p0 }, rounds: last.rounds, overheadBytes: last.bytes.overhead },
      offline: { ms: records.map((r) => r.prepareMs), bytes: { dealer: last.bytes.dealer } },
      total: { ms: records.map((r) => r.prepareMs + r.onlineMs) },
      perOp: last.perOp,
      // Under `fast` this includes what 2Quad changes in a model that was trained with softmax
      [f.suite === 'fast' && model.config.softmax !== '2quad' ? 'errorVsModel' : 'error']: error,
      peakMemoryBytes: nodes ? last.memory : null,
    };
    report(record, f.json, () => table(record as never, error, plain.ms));
  } finally {
    nodes?.stop();
  }
  // The embedded trio's threads do not keep the process alive, but a pending ping might
  process.exit();
}

interface Printed {
  model: string;
  seq: number;
  suite: string;
  link: string;
  online: { ms: number[]; bytes: { p0p1: number; p1p0: number }; rounds: number };
  offline: { ms: number[]; bytes: { dealer: number } };
  total: { ms: number[] };
  perOp: { op: string; ms: number; bytes: number; rounds: number }[];
}

function table(r: Printed, error: { maxAbs: number; meanAbs: number; cosine: number }, plain: number[]): string {
  const { p0p1, p1p0 } = r.online.bytes;
  const rows = [
    ['plaintext (wasm)', milliseconds(plain), '', ''],
    ['offline', milliseconds(r.offline.ms), megabytes(r.offline.bytes.dealer), ''],
    ['online', milliseconds(r.online.ms), megabytes(p0p1 + p1p0), `${r.online.rounds} rounds`],
    ['total', milliseconds(r.total.ms), '', `${(median(r.total.ms) / median(plain)).toFixed(1)} × plaintext`],
  ];
  const ops = [['operation', 'ms', 'sent by one party', 'rounds'], ...[...r.perOp].sort((a, b) => b.ms - a.ms).map((o) => [o.op, o.ms.toFixed(1), megabytes(o.bytes), o.rounds])];
  return [
    `${r.model}, ${r.seq} tokens, suite ${r.suite}, link ${r.link} (bytes sent + received by one party)`,
    columns(rows),
    '',
    columns(ops),
    '',
    `hidden states: largest error ${error.maxAbs.toExponential(2)}, mean ${error.meanAbs.toExponential(2)}; cosine of the mean-pooled embedding ${error.cosine.toFixed(8)}`,
  ].join('\n');
}
