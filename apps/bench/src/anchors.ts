/** A private BERT of several suites beside plaintext and beside what others take, in one table. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { columns, end, median, report, Steps, UsageError } from './report.js';

export interface AnchorFlags {
  model: string;
  seq: number;
  runs: number;
  suites: string;
  json?: string;
}

/** What the record of `bench bert` has of it. */
interface Measured {
  plaintext: { backend: string; ms: number[] };
  setup: { ms: number[] };
  online: { ms: number[]; bytes: { p0p1: number; p1p0: number }; rounds: number };
  offline: { ms: number[]; bytes: { dealer: number } };
  total: { ms: number[] };
  kernels: string;
}

/**
 * BERT-base of 128 tokens by others, in seconds: medians on one machine with two cores of a Zen 4 and AVX-512, each by
 * its own code as released. They are not run here.
 */
const OTHERS: readonly { name: string; seconds: number; source: string }[] = [
  { name: 'SecFormer (2Quad, Quad)', seconds: 34.1, source: "the paper's code on CrypTen, two processes and a dealer" },
  { name: 'SHAFT', seconds: 48.1, source: 'its code on CrypTen, two processes and a dealer' },
  { name: 'PyTorch, plaintext', seconds: 0.2, source: 'torch, two threads' },
  { name: 'ONNX Runtime, plaintext', seconds: 0.15, source: 'onnxruntime-node, two threads' },
];

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));

/** A process for each suite: what one compiles and keeps is nothing that the next begins with. */
async function measured(f: AnchorFlags, suite: string): Promise<Measured> {
  const flags = ['--model', f.model, '--seq', String(f.seq), '--suite', suite, '--runs', String(f.runs)];
  const run = promisify(execFile);
  const child = await run(process.execPath, [bin, 'bert', ...flags, '--link', 'websocket', '--json', '-'], {
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(child.stdout) as Measured;
}

export async function anchors(f: AnchorFlags): Promise<void> {
  const suites = f.suites.split(',').filter(Boolean);
  if (suites.length === 0) throw new UsageError('--suites names none; such as exact,fast,secformer');
  const steps = new Steps(suites.length, f.json === '-');
  const of: Record<string, Measured> = {};
  for (const suite of suites) {
    steps.next(suite);
    of[suite] = await measured(f, suite);
  }
  steps.done();
  const plain = median(Object.values(of).flatMap(({ plaintext }) => plaintext.ms));
  const isTheirs = f.model === 'base' && f.seq === 128;
  const record = {
    command: 'anchors',
    model: f.model,
    seq: f.seq,
    runs: f.runs,
    kernels: of[suites[0]!]!.kernels,
    plaintextMs: plain,
    suites: Object.fromEntries(
      suites.map((suite) => {
        const { setup, online, offline, total } = of[suite]!;
        return [
          suite,
          {
            setupMs: median(setup.ms),
            offlineMs: median(offline.ms),
            onlineMs: median(online.ms),
            totalMs: median(total.ms),
            rounds: online.rounds,
            bytes: online.bytes.p0p1 + online.bytes.p1p0,
            dealerBytes: offline.bytes.dealer,
          },
        ];
      }),
    ),
    others: isTheirs ? OTHERS : [],
  };
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  const times = (ms: number) => `${(ms / plain).toFixed(1)} ×`;
  report(record, f.json, () =>
    [
      columns([
        ['', 'offline', 'online', 'both', 'of plaintext', 'set-up', 'rounds', 'GiB', 'dealer'],
        ...Object.entries(record.suites).map(([suite, r]) => [
          suite,
          seconds(r.offlineMs),
          seconds(r.onlineMs),
          seconds(r.totalMs),
          times(r.totalMs),
          seconds(r.setupMs),
          r.rounds,
          (r.bytes / 2 ** 30).toFixed(3),
          (r.dealerBytes / 2 ** 30).toFixed(2),
        ]),
        ['plaintext, TensorFlow.js wasm', '', '', seconds(plain), '1.0 ×'],
        ...record.others.map((o) => [o.name, '', '', seconds(1000 * o.seconds), times(1000 * o.seconds)]),
      ]),
      ...record.others.map((o) => `${o.name}: ${o.source}; measured once, on another day`),
    ].join('\n'),
  );
  end();
}
