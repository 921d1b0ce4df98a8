import { writeFileSync } from 'node:fs';
import type { BertConfig, BertInputs, BertModel } from '@secformer/bert-loader';
import { startLocalNodes } from '@secformer/party-node/node';
import type { OperandBits } from '@secformer/secformer-ops';
import { calibrate, configure, type LastRun, lastRun, prepare, share } from '@secformer/tfjs-mpc-backend';
import { shadowRevealingEverything } from '@secformer/tfjs-mpc-backend/insecure';
import { table } from './bert-table.js';
import { budgetOf } from './budget.js';
import { type GangRun, gangFigures, gangRun } from './gang.js';
import { chooseKernels } from './kernels.js';
import { loadModel, SHAPES, type StudentFlags, sentencesOf } from './named-models.js';
import { emulation, type Network, networks, slowNode } from './network.js';
import { perfetto } from './perfetto.js';
import { tf } from './quiet-tfjs.js';
import { end, median, report, Steps, UsageError } from './report.js';
import { reportSchedule } from './schedule.js';
import { useWasm } from './wasm.js';

export interface BertFlags extends StudentFlags {
  model: string;
  seq: number;
  batch: number;
  gang: number;
  suite: string;
  weights: 'secret' | 'public';
  runs: number;
  output: 'hidden' | 'cls' | 'pooled';
  link: 'worker' | 'websocket';
  net: string;
  kernels: string;
  texts?: string;
  limit: number;
  calibrate?: boolean;
  shadow?: boolean;
  tune: 'lan' | 'wan';
  operandBits: OperandBits;
  schedule?: boolean;
  trace?: string;
  json?: string;
}

/** Prepared runs of one client may take three quarters of a node's memory: 16 of MiniLM at 32 tokens take 5 GB. */
const GANG_FLAGS = ['--memory', '8G'];

/** Text that a batch is filled from; shorter than most lengths, so that the attention mask has something to do. */
const TEXTS = [
  'A man walks into a cinema on a rainy evening and finds, to his own surprise, that the film he had been dreading ' +
    'is tender, patient and very funny.',
  'The committee met for the third time this week and once more could not agree on who should write the minutes.',
  'Nothing in the report explains why the bridge was closed, who closed it, or when the people on the other side ' +
    'may come home.',
];

/** What is run: the sentences of a file, batch by batch, or the same batch so many times. */
function inputsOf(model: BertModel, f: BertFlags): BertInputs[] {
  if (f.texts !== undefined) {
    const texts = sentencesOf(f.texts, f.limit);
    return Array.from({ length: Math.floor(texts.length / f.batch) }, (_, i) =>
      model.tokenize(texts.slice(i * f.batch, (i + 1) * f.batch), f.seq),
    );
  }
  const one =
    f.model in SHAPES
      ? madeUp(model, f)
      : model.tokenize(
          Array.from({ length: f.batch }, (_, i) => TEXTS[i % TEXTS.length]!),
          f.seq,
        );
  return Array(f.runs).fill(one);
}

function madeUp(model: BertModel, f: BertFlags): BertInputs {
  const ids = Int32Array.from({ length: f.batch * f.seq }, (_, i) => (i * 7919 + 5) % model.config.vocabSize);
  const ints = (pick: (i: number) => number) =>
    tf.tensor2d(
      Int32Array.from(ids, (_, i) => pick(i)),
      [f.batch, f.seq],
      'int32',
    );
  // The last eighth is padding
  return {
    inputIds: ints((i) => ids[i]!),
    attentionMask: ints((i) => (i % f.seq < f.seq - (f.seq >> 3) ? 1 : 0)),
    tokenTypeIds: ints(() => 0),
  };
}

/** Errors of hidden states, and the smallest cosine of a sentence's embedding, their mean. */
class HiddenErrors {
  maxAbs = 0;
  cosine = 1;
  #sum = 0;
  #count = 0;

  /** @param mask which of a sentence's states there are */
  add(got: Float32Array, want: Float32Array, mask: Int32Array, batch: number): void {
    const seq = mask.length / batch;
    got.forEach((v, i) => {
      const d = Math.abs(v - want[i]!);
      // Written so that NaN is not overlooked
      if (!(d <= this.maxAbs)) this.maxAbs = d;
      this.#sum += d;
    });
    this.#count += got.length;
    const hidden = got.length / (batch * seq);
    for (let b = 0; b < batch; b++) {
      const pooled = [got, want].map((v) =>
        Float64Array.from({ length: hidden }, (_, h) =>
          mask.slice(b * seq, (b + 1) * seq).reduce((s, m, t) => s + m * v[(b * seq + t) * hidden + h]!, 0),
        ),
      );
      const dot = (x: Float64Array, y: Float64Array) => x.reduce((s, v, i) => s + v * y[i]!, 0);
      const [p, q] = pooled as [Float64Array, Float64Array];
      const cosine = dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q));
      if (!(cosine >= this.cosine)) this.cosine = cosine;
    }
  }

  get record(): { maxAbs: number; meanAbs: number; cosine: number } {
    return { maxAbs: this.maxAbs, meanAbs: this.#sum / Math.max(1, this.#count), cosine: this.cosine };
  }
}

/** Private BERT inference beside plaintext TensorFlow.js, in one run. */
export async function bert(f: BertFlags): Promise<void> {
  if (f.net in networks && f.link !== 'websocket')
    throw new UsageError(`--net ${f.net} emulates a network between processes; add --link websocket`);
  const kernels = await chooseKernels(f.kernels);
  const steps = new Steps(4 + f.runs, f.json === '-');
  steps.next('loading');
  await useWasm();
  const model = await loadModel(f.model, f.weights, f);
  const all = inputsOf(model, f);
  const [inputs] = all;
  if (!inputs) throw new UsageError(`--texts: fewer than --batch ${f.batch} sentences`);
  const outputs = {
    hidden: (given: BertInputs) => model.hiddenStates(given),
    cls: (given: BertInputs) => model.embed(given, 'cls'),
    pooled: (given: BertInputs) => model.pooled(given),
  };
  const outputOf = outputs[f.output];
  steps.next('plaintext');
  const plain = { backend: tf.getBackend(), ms: [] as number[] };
  const wanted: Float32Array[] = [];
  // The first run compiles
  for (const [i, given] of (f.schedule ? [] : [inputs, ...all]).entries()) {
    const start = performance.now();
    const y = outputOf(given);
    const hidden = (await y.data()) as Float32Array;
    if (i > 0) {
      plain.ms.push(performance.now() - start);
      wanted.push(hidden);
    }
    y.dispose();
  }

  steps.next('starting nodes');
  const nodes =
    f.link === 'websocket'
      ? await startLocalNodes(f.net in networks ? [slowNode, f.net] : undefined, f.gang > 1 ? GANG_FLAGS : [])
      : undefined;
  try {
    const { urls, token } = nodes ?? {};
    configure({
      suite: f.suite,
      network: f.tune,
      operandBits: f.operandBits,
      // What is prepared unasked would take the room of what is asked for
      prepareAhead: f.gang === 1,
      ...(urls && { parties: [urls.party0, urls.party1], dealer: urls.dealer, token: token! }),
    });
    await tf.setBackend('secformer');
    if (f.calibrate) {
      steps.next('calibrating');
      const calibration = await calibrate(outputOf, all);
      configure({
        suite: f.suite,
        network: f.tune,
        operandBits: f.operandBits,
        calibration,
        ...(urls && { parties: [urls.party0, urls.party1], dealer: urls.dealer, token: token! }),
      });
    }
    if (f.schedule) {
      steps.done();
      const y = outputOf(inputs);
      reportSchedule(y, { model: f.model, seq: f.seq, suite: f.suite, weights: f.weights }, f.json);
      y.dispose();
      return;
    }
    if (f.shadow) {
      steps.next('comparing with plaintext');
      const y = outputOf(inputs);
      const { violation, compared, instructions } = await shadowRevealingEverything(y);
      y.dispose();
      steps.done();
      const record = {
        command: 'bert',
        model: f.model,
        seq: f.seq,
        batch: f.batch,
        suite: f.suite,
        weights: f.weights,
        shadow: { violation: violation ?? null, compared, instructions },
      };
      report(
        record,
        f.json,
        () =>
          violation?.message ??
          `${compared} of ${instructions} instructions compared with their plaintext: all within their bars and ranges`,
      );
      process.exitCode = violation ? 1 : 0;
      return;
    }
    steps.next('sharing weights');
    const began = performance.now();
    const first = outputOf(inputs);
    await share(first);
    const setupMs = performance.now() - began;
    await first.data();
    first.dispose();
    const firstMs = performance.now() - began - setupMs;
    const opening = lastRun()!;

    const records: LastRun[] = [];
    const network = nodes && networks[f.net] ? { ...networks[f.net]!, withoutMs: [] as number[] } : undefined;
    const errors = new HiddenErrors();
    const gangs: GangRun[] = [];
    for (const [i, given] of all.entries()) {
      steps.next(`private run ${i + 1}`);
      const y = outputOf(given);
      const run = async (traced = false) => (await prepare(y)).run({ trace: traced });
      // Runs become faster for a while: whichever of a pair comes second gains by it, so they take turns
      const without = async (turn: number) => {
        if (network && i % 2 === turn) network.withoutMs.push((await run()).record.onlineMs);
      };
      await without(0);
      if (network) await emulation(nodes!, true);
      const { values, record } = await run(f.trace !== undefined && i === all.length - 1);
      if (f.gang > 1) gangs.push(await gangRun(() => outputOf(given), f.gang));
      if (network) await emulation(nodes!, false);
      await without(1);
      const mask =
        f.output !== 'hidden' ? new Int32Array(f.batch).fill(1) : ((await given.attentionMask.data()) as Int32Array);
      for (const got of [values, ...(gangs.at(-1)?.outputs ?? [])]) errors.add(got, wanted[i]!, mask, f.batch);
      records.push(record);
      y.dispose();
    }
    steps.done();
    const last = records.at(-1)!;
    if (f.trace !== undefined) writeFileSync(f.trace, JSON.stringify(perfetto(last.traces ?? [])));
    const error = errors.record;
    const both = ({ bytes }: LastRun) => bytes.p0p1 + bytes.p1p0;
    const record = {
      command: 'bert',
      model: f.model,
      seq: f.seq,
      batch: f.batch,
      output: f.output,
      suite: f.suite,
      weights: f.weights,
      tune: f.tune,
      operandBits: f.operandBits,
      link: f.link,
      net: f.net,
      kernels,
      layers: model.config.layers,
      plaintext: plain,
      setup: { ms: [setupMs], firstRunMs: [firstMs], bytes: both(opening) - both(last) },
      online: {
        ms: records.map((r) => r.onlineMs),
        bytes: { p0p1: last.bytes.p0p1, p1p0: last.bytes.p1p0 },
        rounds: last.rounds,
        waitMs: records.map((r) => r.waitMs),
        // Of party 0: by the processes' clocks for system time, which the threads of one process share
        systemMs: records.map((r) => r.spent.party0.systemMs),
        collectorMs: records.map((r) => r.spent.party0.collectorMs),
        overheadBytes: last.bytes.overhead,
      },
      offline: { ms: records.map((r) => r.prepareMs), bytes: { dealer: last.bytes.dealer } },
      total: { ms: records.map((r) => r.prepareMs + r.onlineMs) },
      perOp: last.perOp.map((o) => {
        const budget = budgetOf(o.op, { ...model.config, seq: f.seq, batch: f.batch });
        return { ...o, ...(budget && { budget }) };
      }),
      // Under another suite this includes what its approximations change in a model that was not trained with them
      [isItsOwn(model.config, f.suite) ? 'error' : 'errorVsModel']: error,
      ...(f.texts !== undefined && { sentences: all.length * f.batch }),
      peakMemoryBytes: nodes ? last.memory : null,
      ...(network && { network: explained(network, records) }),
      ...(f.gang > 1 && { gang: gangFigures(gangs, f.gang * f.batch) }),
    };
    report(record, f.json, () => table(record as never, error, plain.ms));
  } finally {
    nodes?.stop();
  }
  // The embedded trio's threads do not keep the process alive, but a pending ping might
  end();
}

/**
 * What a network adds, run by run, to one just before or after without it, and what explains it: half a round trip a
 * round, for both parties send at once, and what one party sends and is sent by the client at the network's rate. The
 * second part overlaps with this machine's own copying where that is slower than the network.
 */
function explained({ roundTripMs, bytesPerSecond, withoutMs }: Network & { withoutMs: number[] }, records: LastRun[]) {
  const { bytes, rounds } = records.at(-1)!;
  return {
    roundTripMs,
    bytesPerSecond,
    withoutMs,
    addedMs: median(records.map((r, i) => r.onlineMs - withoutMs[i]!)),
    delayMs: (rounds * roundTripMs) / 2,
    transferMs: ((Math.max(bytes.p0p1, bytes.p1p0) + bytes.inputs) / bytesPerSecond) * 1000,
  };
}

/** Does a suite compute the attention that the model was trained with? */
function isItsOwn({ attention }: BertConfig, suite: string): boolean {
  return suite === 'exact' || (suite === 'fast' && attention.function === '2quad');
}
