/** How a node stands, in the figures of its metrics: what a page shows and what is scraped are the same. */
import type { MetricValue } from '../metrics.js';

/** Another node, or all clients, and the bytes of frames that crossed the links to it. */
export interface LinkFigures {
  node: string;
  /** of clients undefined */
  up?: boolean;
  sent: number;
  received: number;
}

export interface Figures {
  /** milliseconds since 1970 */
  time: number;
  /** runs that are over since the start, by 'OK' or the code of their error */
  runs: Record<string, number>;
  /** connections and commands that were refused */
  refused: { code: string; rule: string; count: number }[];
  /** of completed runs */
  rounds: number;
  runBytes: number;
  waiting: number;
  underWay: number;
  pool: { runs: number; bytes: number };
  memory: { limit: number; held: number; reserved: number; process: number };
  clients: number;
  links: LinkFigures[];
  models: { served: number; missing: number };
  draining: boolean;
}

type Values = ReadonlyMap<string, readonly MetricValue[]>;

export function figuresOf(values: Values, time = Date.now()): Figures {
  const all = (metric: string) => values.get(metric) ?? [];
  const one = (metric: string, ...labels: [string, string][]) =>
    all(metric).find((v) => labels.every(([name, is]) => v.labels[name] === is))?.value ?? 0;
  const bytes = (node: string, direction: string) => one('link_bytes_total', ['node', node], ['direction', direction]);
  const traffic = (node: string) => ({ node, sent: bytes(node, 'sent'), received: bytes(node, 'received') });
  const memory = (kind: string) => one('memory_bytes', ['kind', kind]);
  const runs: Record<string, number> = {};
  for (const { labels, value } of all('runs_total')) runs[labels.outcome!] = (runs[labels.outcome!] ?? 0) + value;
  return {
    time,
    runs,
    refused: all('refused_total').map(({ labels, value }) => ({
      code: labels.code!,
      rule: labels.rule!,
      count: value,
    })),
    rounds: one('rounds_total'),
    runBytes: one('run_bytes_total'),
    waiting: one('runs', ['state', 'waiting']),
    underWay: one('runs', ['state', 'under way']),
    pool: { runs: one('pool_runs'), bytes: one('pool_bytes') },
    memory: {
      limit: memory('limit'),
      held: memory('held'),
      reserved: memory('reserved'),
      process: memory('process'),
    },
    clients: one('client_connections'),
    links: [
      ...all('link_up').map(({ labels, value }) => ({ ...traffic(labels.node!), up: value === 1 })),
      traffic('client'),
    ],
    models: { served: one('models', ['state', 'served']), missing: one('models', ['state', 'missing']) },
    draining: one('draining') === 1,
  };
}

/** Runs of each model since the start: those that completed, and all others. */
export function runsByModel(values: Values): Map<string, { ok: number; failed: number }> {
  const models = new Map<string, { ok: number; failed: number }>();
  for (const { labels, value } of values.get('runs_total') ?? []) {
    const runs = models.get(labels.model ?? '') ?? { ok: 0, failed: 0 };
    models.set(labels.model ?? '', runs);
    runs[labels.outcome === 'OK' ? 'ok' : 'failed'] += value;
  }
  return models;
}
