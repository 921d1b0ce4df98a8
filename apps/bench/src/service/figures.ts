/** A published model beside the same model in an owner's session: time, memory, and what a restart takes. */
import { readFileSync } from 'node:fs';
import type { BertModel } from '@secformer/bert-loader';
import { type LocalNodes, type LocalService, startLocalNodes } from '@secformer/party-node/node';
import { configure, type LastRun, lastRun, prepare } from '@secformer/tfjs-mpc-backend';
import { chooseKernels } from '../kernels.js';
import { loadModel } from '../named-models.js';
import { tf } from '../quiet-tfjs.js';
import { columns, end, median, megabytes, report, UsageError } from '../report.js';
import { filledPool, WATCHED } from './pool.js';
import { asked, outputOf, type Sentence, sentenceOf, served } from './published-bert.js';

export interface ServiceFlags {
  model: string;
  seq: number;
  suite: string;
  runs: number;
  pool: string;
  kernels: string;
  json?: string;
}

const TEXT = 'Nothing in the report explains why the bridge was closed, who closed it, or when it will be open again.';

/** Resident megabytes of each node. */
function resident(processes: LocalNodes['processes']): Record<string, number> {
  return Object.fromEntries(
    Object.entries(processes).map(([role, { pid }]) => {
      const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return [role, Number(kb) * 1024];
    }),
  );
}

/** Runs of an owner's session at three processes. */
async function owners(model: BertModel, sentence: Sentence, f: ServiceFlags) {
  const nodes = await startLocalNodes();
  try {
    const { urls, token } = nodes;
    configure({ suite: f.suite, parties: [urls.party0, urls.party1], dealer: urls.dealer, token });
    const tensor = (values: Int32Array) => tf.tensor2d(values, [1, values.length], 'int32');
    const inputs = {
      inputIds: tensor(sentence.ids),
      attentionMask: tensor(sentence.mask),
      tokenTypeIds: tensor(sentence.segments),
    };
    const output = outputOf(model);
    const records: LastRun[] = [];
    let values = new Float32Array(0);
    // The first opens the weights
    for (let i = 0; i <= f.runs; i++) {
      const y = model[output](inputs);
      const run = await (await prepare(y)).run();
      values = run.values as Float32Array<ArrayBuffer>;
      if (i > 0) records.push(run.record);
      y.dispose();
    }
    tf.dispose(Object.values(inputs));
    return { values, onlineMs: records.map((r) => r.onlineMs), memory: resident(nodes.processes) };
  } finally {
    nodes.stop();
    configure({ suite: f.suite });
  }
}

/** Asks so many times, each with a pool that is full: what the nodes prepare takes none of an ask's time. */
async function pooledAsks(
  service: LocalService,
  client: Awaited<ReturnType<Awaited<ReturnType<typeof served>>['client']>>,
  sentence: Sentence,
  runs: number,
) {
  const records: LastRun[] = [];
  const prepared: number[] = [];
  while (records.length < runs) {
    prepared.push(await filledPool(service));
    await asked(client, sentence);
    records.push(lastRun()!);
  }
  return { records, prepared };
}

export async function serviceFigures(f: ServiceFlags): Promise<void> {
  if (process.platform !== 'linux')
    throw new UsageError('service reads the memory of processes from /proc: Linux only');
  const kernels = await chooseKernels(f.kernels);
  await tf.setBackend('secformer');
  const model = await loadModel(f.model);
  const sentence = await sentenceOf(model, TEXT, f.seq);
  const owner = await owners(model, sentence, f);
  const { service, client, publishMs } = await served(model, {
    seq: f.seq,
    suite: f.suite,
    flags: [...WATCHED, '--pool-bytes', f.pool],
  });
  model.dispose();
  try {
    let somebody = await client('somebody');
    const { cost } = somebody.manifest.programs[0]!;
    await asked(somebody, sentence);
    const memory = resident(service.processes);
    const { records: pooled, prepared } = await pooledAsks(service, somebody, sentence, f.runs);
    somebody.dispose();
    for (const role of ['party0', 'party1', 'dealer'] as const) await service.kill(role);
    const start = performance.now();
    await Promise.all((['dealer', 'party0', 'party1'] as const).map((role) => service.restart(role)));
    const listeningMs = performance.now() - start;
    const again = await untilServed(() => client('somebody'));
    somebody = again;
    const values = await asked(again, sentence);
    const readyMs = performance.now() - start;
    const { bytes, rounds } = lastRun()!;
    again.dispose();
    const off = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
    const record = {
      command: 'service',
      model: f.model,
      seq: f.seq,
      suite: f.suite,
      kernels,
      publishMs,
      owner: { onlineMs: owner.onlineMs, memory: owner.memory },
      pooled: { onlineMs: pooled.map((r) => r.onlineMs), prepareMs: pooled.map((r) => r.prepareMs), prepared },
      ratio: median(pooled.map((r) => r.onlineMs)) / median(owner.onlineMs),
      memory,
      memoryRatio: Object.fromEntries(Object.keys(memory).map((role) => [role, memory[role]! / owner.memory[role]!])),
      restart: { listeningMs, readyMs, bytes: bytes.p0p1, published: cost.online, rounds },
      largestDifference: off(values, owner.values),
    };
    report(record, f.json, () =>
      [
        columns([
          ['', 'online ms', 'party 0', 'party 1', 'dealer'],
          [
            "owner's session",
            median(owner.onlineMs).toFixed(0),
            ...['party0', 'party1', 'dealer'].map((role) => megabytes(owner.memory[role]!)),
          ],
          [
            'published, prepared',
            median(record.pooled.onlineMs).toFixed(0),
            ...['party0', 'party1', 'dealer'].map((role) => megabytes(memory[role]!)),
          ],
        ]),
        `Published in ${(publishMs / 1000).toFixed(1)} s. After a restart of all three nodes the first answer came ` +
          `${(readyMs / 1000).toFixed(1)} s after their start, with ${bytes.p0p1} bytes from party 0 to party 1 ` +
          `(the model's manifest says ${cost.online}).`,
        `Largest difference from the owner's answer: ${record.largestDifference.toExponential(1)}.`,
      ].join('\n'),
    );
  } finally {
    service.stop();
  }
  end();
}

/** Nodes that have just started may not have met yet. */
async function untilServed<T>(load: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await load();
    } catch (error) {
      const { code } = error as { code?: string };
      if (tries > 100 || !['MODEL_UNKNOWN', 'UNREACHABLE', 'NO_PROGRESS'].includes(code ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
