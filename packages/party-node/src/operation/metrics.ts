/** Prometheus metrics of a node, in a registry of its own: counts, times and names of published models alone. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Traffic } from './counted-link.js';
import type { EngineState, NodeEvent, RunEnded } from './events.js';
import type { Presence } from './presence.js';

/** Milliseconds from a small run on one machine to a large one over a slow network, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const OTHER = 'other';
const PREFIX = 'secformer_';

/** Names that metrics tell apart: the first ones that come, so that nobody can make as many series as they like. */
class Names {
  readonly #known = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  of(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#most) return OTHER;
    this.#known.add(name);
    return name;
  }
}

/** One series of a metric. */
export interface MetricValue {
  labels: Readonly<Record<string, string | undefined>>;
  value: number;
}

export interface MetricsOptions {
  /** 'party 0', 'party 1' or 'dealer' */
  node: NodeName;
  /** told of the same events */
  presence: Presence;
  /** of this package */
  release: string;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #models = new Names(limits.metricModels);
  readonly #codes = new Names(limits.metricCodes);
  readonly #traffic = new Map<NodeName, Traffic>();
  /** the same of data connections, as the engine said last */
  readonly #data = new Map<NodeName, Traffic>();
  readonly #runs;
  readonly #seconds;
  readonly #rounds;
  readonly #planned;
  readonly #refused;
  readonly #presence: Presence;
  readonly #connections;
  readonly #link;
  readonly #queue;
  readonly #pool;
  readonly #poolPreparing;
  readonly #poolBytes;
  readonly #served;
  readonly #memory;
  readonly #draining;

  constructor({ node, presence, release }: MetricsOptions) {
    const registers = [this.#registry];
    const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
      new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers });
    const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
      new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers });
    gauge('build_info', 'Always 1; the release that runs, and as which node', 'release', 'node').set(
      { release, node },
      1,
    );
    this.#runs = counter(
      'runs_total',
      'Runs that are over, by published model (empty for programs of owners) and by OK or the code of their error',
      'model',
      'outcome',
    );
    this.#seconds = new Histogram({
      name: 'secformer_run_seconds',
      help: 'Seconds of runs by phase: wait (for a turn), prepare (its randomness), online (from its start on)',
      labelNames: ['phase'] as const,
      buckets: BUCKETS,
      registers,
    });
    this.#rounds = counter('rounds_total', 'Rounds that the two parties exchanged, as Programs declare them');
    this.#planned = counter(
      'run_bytes_total',
      'Bytes that completed runs had this node send another one, as Programs declare them',
    );
    this.#refused = counter(
      'refused_total',
      'Connections and commands that were refused, by code and rule',
      'code',
      'rule',
    );
    this.#connections = gauge('client_connections', 'Clients that have proved who they are and are connected');
    this.#link = gauge('link_up', '1 where the other node is connected, 0 where it is not', 'node');
    this.#presence = presence;
    this.#queue = gauge('runs', 'Runs that are not over: waiting for a turn, or under way', 'state');
    this.#pool = gauge('pool_runs', 'Runs that are prepared before anybody has asked for them');
    this.#poolPreparing = gauge('pool_preparing', 'Runs that are being prepared before anybody has asked for them');
    this.#poolBytes = gauge('pool_bytes', 'Memory that both kinds of runs of the pool were promised');
    this.#served = gauge('models', 'Versions of published models: served, or missing at one of the nodes', 'state');
    this.#memory = gauge(
      'memory_bytes',
      'Memory: limit (what --memory allows), held (tensors, openings, Programs), reserved (promised to runs), ' +
        'process (resident)',
      'kind',
    );
    this.#draining = gauge('draining', '1 from the moment on that the node was told to stop');
    this.#draining.set(0);
    const [traffic, data] = [this.#traffic, this.#data];
    new Counter({
      name: 'secformer_link_bytes_total',
      help: 'Bytes of frames that crossed the links to another node or to all clients, without those of TLS',
      labelNames: ['node', 'direction'] as const,
      registers,
      // Counted as plain numbers: a round has many frames, and a label costs more than a small one
      collect() {
        this.reset();
        for (const [node, { sent, received }] of [...traffic, ...data]) {
          this.inc({ node, direction: 'sent' }, sent);
          this.inc({ node, direction: 'received' }, received);
        }
      },
    });
    const started = Date.now() / 1000;
    gauge('start_time_seconds', 'When this process began, in seconds since 1970').set(started);
  }

  /** Where bytes of links to this node, or to clients, are counted. */
  traffic(node: NodeName): Traffic {
    const there = this.#traffic.get(node) ?? { sent: 0, received: 0 };
    this.#traffic.set(node, there);
    return there;
  }

  observe(e: NodeEvent): void {
    if (e.kind === 'run') {
      this.#run(e);
    } else if (e.kind === 'refused') {
      this.#refused.inc({ code: this.#code(e.code), rule: e.rule ?? 'connection' });
    } else if (e.kind === 'memory') {
      this.#memory.set({ kind: 'limit' }, e.bytes);
      this.#memory.set({ kind: 'held' }, e.held);
      this.#memory.set({ kind: 'reserved' }, e.reserved);
    } else if (e.kind === 'queue') {
      this.#queue.set({ state: 'waiting' }, e.waiting);
      this.#queue.set({ state: 'under way' }, e.underWay);
    } else if (e.kind === 'pool') {
      this.#pool.set(e.runs);
      this.#poolPreparing.set(e.preparing);
      this.#poolBytes.set(e.bytes);
    } else if (e.kind === 'models') {
      const missing = e.models.filter(({ why }) => why !== undefined).length;
      this.#served.set({ state: 'served' }, e.models.length - missing);
      this.#served.set({ state: 'missing' }, missing);
    } else if (e.kind === 'traffic') {
      for (const { node, ...bytes } of e.nodes) if (bytes.received > 0) this.#data.set(node, bytes);
    } else if (e.kind === 'draining') {
      this.#draining.set(1);
    }
  }

  /** @param state of the engine where it answered; without it what it said last stands */
  async text(state: EngineState | undefined): Promise<string> {
    this.#look(state);
    return this.#registry.metrics();
  }

  /** The same as values, by the name of the metric without its prefix. */
  async values(state: EngineState | undefined): Promise<Map<string, MetricValue[]>> {
    this.#look(state);
    const all = await this.#registry.getMetricsAsJSON();
    return new Map(all.map(({ name, values }) => [name.slice(PREFIX.length), values as unknown as MetricValue[]]));
  }

  #look(state: EngineState | undefined): void {
    for (const e of state ?? []) this.observe(e);
    this.#memory.set({ kind: 'process' }, process.memoryUsage.rss());
    this.#connections.set(this.#presence.clients);
    for (const node of this.#presence.peers) this.#link.set({ node }, this.#presence.has(node) ? 1 : 0);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #run({ model, outcome, waitMs, prepareMs, onlineMs, bytes, rounds }: RunEnded): void {
    this.#runs.inc({ model: model === undefined ? '' : this.#models.of(model), outcome: this.#code(outcome) });
    const seconds = (phase: string, value: number) => value > 0 && this.#seconds.observe({ phase }, value / 1000);
    seconds('wait', waitMs);
    seconds('prepare', prepareMs);
    seconds('online', onlineMs);
    if (outcome !== 'OK') return;
    this.#rounds.inc(rounds);
    this.#planned.inc(bytes);
  }

  /** Codes come from other nodes too. */
  #code(code: string): string {
    return CODE.test(code) ? this.#codes.of(code) : OTHER;
  }
}
