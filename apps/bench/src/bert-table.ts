/** The record of a private BERT as a table. */
import type { GangFigures } from './gang.js';
import { columns, median, megabytes, milliseconds } from './report.js';

/** Of the online time of party 0. */
const SPENT = { waitMs: 'waiting', systemMs: 'system', collectorMs: 'collector' } as const;

interface Printed {
  model: string;
  seq: number;
  suite: string;
  weights: string;
  link: string;
  kernels: string;
  /** writing the weights, and the first run after it, offline and online */
  setup: { ms: number[]; firstRunMs: number[] };
  online: {
    ms: number[];
    bytes: { p0p1: number; p1p0: number };
    rounds: number;
    waitMs: number[];
    systemMs: number[];
    collectorMs: number[];
  };
  peakMemoryBytes: Record<'party0' | 'party1' | 'dealer', number> | null;
  offline: { ms: number[]; bytes: { dealer: number } };
  total: { ms: number[] };
  gang?: GangFigures;
  network?: { withoutMs: number[]; addedMs: number; delayMs: number; transferMs: number };
  perOp: { op: string; ms: number; bytes: number; rounds: number; budget?: { bytes: number; rounds: number } }[];
}

export function table(r: Printed, error: { maxAbs: number; meanAbs: number; cosine: number }, plain: number[]): string {
  const { p0p1, p1p0 } = r.online.bytes;
  const rows = [
    ['plaintext (wasm)', milliseconds(plain), '', ''],
    ['set-up', milliseconds(r.setup.ms), '', ''],
    ['first run', milliseconds(r.setup.firstRunMs), '', ''],
    ['offline', milliseconds(r.offline.ms), megabytes(r.offline.bytes.dealer), ''],
    ['online', milliseconds(r.online.ms), megabytes(p0p1 + p1p0), `${r.online.rounds} rounds`],
    ...(['waitMs', 'systemMs', 'collectorMs'] as const).map((of) => [
      `  ${SPENT[of]}`,
      milliseconds(r.online[of]),
      '',
      '',
    ]),
    ...(r.network
      ? [
          [
            'without the network',
            milliseconds(r.network.withoutMs),
            '',
            `it adds ${r.network.addedMs.toFixed(0)} ms; its delay ${r.network.delayMs.toFixed(0)}, its bandwidth ` +
              `${r.network.transferMs.toFixed(0)}`,
          ],
        ]
      : []),
    ...(r.gang
      ? [
          [
            `${r.gang.sentences} at the same time`,
            milliseconds(r.gang.ms),
            '',
            `${r.gang.perSentenceMs.toFixed(0)} ms a sentence, ${r.gang.ofAlone.toFixed(2)} of one alone`,
          ],
        ]
      : []),
    ['total', milliseconds(r.total.ms), '', `${(median(r.total.ms) / median(plain)).toFixed(1)} × plaintext`],
  ];
  const ops = [
    ['operation', 'ms', 'sent by one party', 'rounds', 'model: sent', 'rounds'],
    ...[...r.perOp]
      .sort((a, b) => b.ms - a.ms)
      .map((o) => [
        o.op,
        o.ms.toFixed(1),
        megabytes(o.bytes),
        o.rounds,
        o.budget ? megabytes(o.budget.bytes) : '',
        o.budget ? o.budget.rounds : '',
      ]),
  ];
  return [
    `${r.model}, ${r.seq} tokens, suite ${r.suite}, ${r.weights} weights, link ${r.link}, kernels ${r.kernels} ` +
      `(bytes sent + received by one party)`,
    columns(rows),
    ...(r.peakMemoryBytes
      ? [
          `most memory of a process: ${Object.entries(r.peakMemoryBytes)
            .map(([role, bytes]) => `${role} ${(bytes / 2 ** 30).toFixed(2)} GiB`)
            .join(', ')}`,
        ]
      : []),
    '',
    columns(ops),
    '',
    `hidden states: largest error ${error.maxAbs.toExponential(2)}, mean ${error.meanAbs.toExponential(2)}; cosine ` +
      `of the mean-pooled embedding ${error.cosine.toFixed(8)}`,
  ].join('\n');
}
