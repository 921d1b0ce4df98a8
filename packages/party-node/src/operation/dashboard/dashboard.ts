/** What a node's operator sees of it in a browser, and what the pages read: all of it tells, nothing acts. */
import type { NodeName } from '../../errors.js';
import { limits, WIRE_VERSION } from '../../limits.js';
import { type Answer, jsonReply, textReply } from '../admin.js';
import type { EngineState, ModelState, NodeEvent } from '../events.js';
import type { Metrics } from '../metrics.js';
import { Assets } from './assets.js';
import { type Figures, figuresOf, runsByModel } from './figures.js';
import { type Note, Notes } from './notes.js';
import type { Plans } from './plans.js';
import { RecentRuns, type ShownRun } from './recent-runs.js';
import { traceOf } from './run-trace.js';
import { Viewers } from './viewers.js';

export interface DashboardOptions {
  node: NodeName;
  /** of this package */
  release: string;
  metrics: Metrics;
  plans: Plans;
  /** of the engine; undefined where it computes for longer than a page waits */
  engine: () => Promise<EngineState | undefined>;
  /** as the engine said last */
  models: () => readonly ModelState[];
}

/** A version of a published model, as the page shows it. */
export interface ShownModel {
  /** `name@version` */
  model: string;
  /** why it is not served */
  why?: string;
  /** runs since the start that completed, and all others */
  ok: number;
  failed: number;
}

/** What a page begins with; the rest comes as events. */
export interface Snapshot {
  node: NodeName;
  release: string;
  /** versions of the messages between nodes, and of Node.js */
  protocol: number;
  runtime: string;
  /** when this process began, in milliseconds since 1970 */
  started: number;
  figures: Figures;
  models: ShownModel[];
  /** models beyond those */
  moreModels: number;
  /** the last ones, oldest first; of the last `traces` of them there is a trace */
  runs: ShownRun[];
  traces: number;
  notes: readonly Note[];
}

/** An event of `/events` each second. */
export interface Beat extends Figures {
  /** how long the engine took to answer, in milliseconds; undefined where it did not within a second */
  engineMs?: number;
  /** the last trouble's time, which tells a page to ask for all again */
  noted: number;
}

const RUN_TRACE = /^\/runs\/(\d{1,15})\/trace\.json$/;
const PLAN = /^\/models\/([a-z0-9][a-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9.+-]{0,31})\/programs\/(\d{1,3})$/;

export class Dashboard {
  readonly #o: DashboardOptions;
  readonly #runs = new RecentRuns();
  readonly #notes = new Notes();
  readonly #assets = new Assets();
  readonly #viewers: Viewers;

  constructor(options: DashboardOptions) {
    this.#o = options;
    this.#viewers = new Viewers(() => this.#beat());
  }

  observe(e: NodeEvent): void {
    if (e.kind === 'run') this.#viewers.send('run', this.#runs.add(e));
  }

  /** A line of the node's log. */
  line(event: string, fields: Record<string, unknown> | undefined): void {
    this.#notes.line(event, fields);
  }

  /** Ends all streams, and what they wait for. */
  close(): void {
    this.#viewers.close();
  }

  /** @returns undefined where there is no such page */
  page(path: string): Answer | undefined | Promise<Answer | undefined> {
    if (path === '/state') return this.#snapshot();
    if (path === '/events') return this.#events();
    const [, run] = RUN_TRACE.exec(path) ?? [];
    if (run !== undefined) return this.#trace(Number(run));
    const [, model, program] = PLAN.exec(path) ?? [];
    if (model !== undefined) return this.#plan(model, Number(program));
    const asset = this.#assets.at(path);
    return asset && { status: 200, ...asset };
  }

  #events(): Answer {
    if (this.#viewers.isFull)
      return textReply(503, `${limits.dashboardViewers} pages watch this node already; close one of them.`);
    return { type: 'text/event-stream', stream: (to) => this.#viewers.add(to) };
  }

  #trace(id: number): Answer | undefined {
    const run = this.#runs.traced(id);
    return run && jsonReply(200, traceOf(run, this.#o.node));
  }

  async #plan(model: string, program: number): Promise<Answer> {
    const answer = await this.#o.plans.of({ model, program });
    if (!answer) return textReply(503, 'The engine computes, or was asked too much; ask again in a moment.');
    if (!answer.plan) return textReply(404, 'No such model is served here, or it has no such program.');
    return jsonReply(200, answer.plan);
  }

  async #beat(): Promise<Beat> {
    const asked = performance.now();
    const state = await this.#o.engine();
    const engineMs = Math.round(performance.now() - asked);
    const noted = this.#notes.all.at(-1)?.time ?? 0;
    const figures = figuresOf(await this.#o.metrics.values(state));
    return { ...figures, ...(state && { engineMs }), noted };
  }

  async #snapshot(): Promise<Answer> {
    const { node, release, metrics } = this.#o;
    const values = await metrics.values(await this.#o.engine());
    const runs = runsByModel(values);
    const models = this.#o.models();
    const shown = models.slice(0, limits.dashboardModels);
    const snapshot: Snapshot = {
      node,
      release,
      protocol: WIRE_VERSION,
      runtime: process.version,
      started: Math.round(performance.timeOrigin),
      figures: figuresOf(values),
      models: shown.map(({ model, why }) => ({
        model,
        ...(why !== undefined && { why }),
        ...(runs.get(model) ?? { ok: 0, failed: 0 }),
      })),
      moreModels: models.length - shown.length,
      runs: this.#runs.all,
      traces: limits.dashboardTraces,
      notes: this.#notes.all,
    };
    return jsonReply(200, snapshot);
  }
}
