/** What an operator watches a node by: metrics, the run log and the admin port, fed by the node's events and log. */
import type { NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Link } from '../wire/link.js';
import { Admin, jsonReply, type Pages, type Reply } from './admin.js';
import { Asked } from './asked.js';
import { CountedLink } from './counted-link.js';
import { Dashboard } from './dashboard/dashboard.js';
import { type PlanAnswer, type PlanQuestion, Plans } from './dashboard/plans.js';
import { type EngineState, eventOf, type ModelState, type NodeEvent } from './events.js';
import type { Log } from './log.js';
import { Metrics } from './metrics.js';
import { Presence } from './presence.js';
import { RunLog } from './run-log.js';

export interface OperationOptions {
  node: NodeName;
  /** of this package */
  release: string;
  log: Log;
  /** where the admin port is; there is none if absent; port 0 takes a free one */
  admin?: { host: string; port: number };
  /** file of the run log; there is none if absent */
  runLog?: string;
  /** asks the engine's thread for its state, which comes to `engine` */
  ask: () => void;
  /** asks it what a Program costs, which comes to `planned` */
  askPlan?: (question: PlanQuestion) => void;
  /** more pages of the admin port, by path */
  pages?: Pages;
}

export class Operation {
  readonly #o: OperationOptions;
  readonly #presence: Presence;
  readonly #metrics: Metrics;
  readonly #state: Asked<EngineState>;
  readonly #runLog: RunLog | undefined;
  readonly #plans: Plans;
  readonly #dashboard: Dashboard | undefined;
  readonly #admin: Admin | undefined;
  #draining = false;
  /** as the engine said last */
  #models: readonly ModelState[] | undefined;

  /** @throws NodeError BAD_CONFIGURATION where the run log cannot be written */
  constructor(options: OperationOptions) {
    const { node, release, log, admin, runLog, ask, askPlan = () => {}, pages } = options;
    this.#o = options;
    this.#presence = new Presence(node);
    this.#metrics = new Metrics({ node, presence: this.#presence, release });
    this.#state = new Asked(ask);
    this.#plans = new Plans(askPlan);
    if (admin) {
      const dashboard = new Dashboard({
        node,
        release,
        metrics: this.#metrics,
        plans: this.#plans,
        engine: () => this.#state.within(limits.healthMs),
        models: () => this.#models ?? [],
      });
      this.#dashboard = dashboard;
      const others = (path: string) => dashboard.page(path);
      this.#admin = new Admin({ ...admin, log, pages: { ...pages, ...this.#pages() }, others });
    }
    this.#runLog = runLog === undefined ? undefined : new RunLog(runLog, log);
  }

  /** @returns the admin port's address, if there is one. @throws NodeError BAD_CONFIGURATION */
  async open(): Promise<string | undefined> {
    const port = await this.#admin?.open();
    return port === undefined ? undefined : `http://${this.#o.admin!.host}:${port}`;
  }

  async close(): Promise<void> {
    this.#runLog?.close();
    this.#dashboard?.close();
    await this.#admin?.close();
  }

  /** Goes on in a new file where the run log was renamed. */
  reopen(): void {
    this.#runLog?.reopen();
  }

  /** A log whose lines are seen here too. */
  observing(log: Log): Log {
    return (event, fields) => {
      const e = eventOf(event, fields);
      if (e) this.event(e);
      this.#dashboard?.line(event, fields);
      log(event, fields);
    };
  }

  event(e: NodeEvent): void {
    if (e.kind === 'draining') this.#draining = true;
    this.#presence.observe(e);
    this.#metrics.observe(e);
    this.#dashboard?.observe(e);
    if (e.kind === 'run') this.#runLog?.add(e);
  }

  /** The engine's answer. */
  engine(state: EngineState): void {
    for (const e of state) if (e.kind === 'models') this.#models = e.models;
    this.#state.answer(state);
  }

  /** Its answer to what a Program costs. */
  planned(answer: PlanAnswer): void {
    this.#plans.answer(answer);
  }

  /** A link whose bytes are counted. @param node at its other end */
  counted(link: Link, node: NodeName): Link {
    return new CountedLink(link, this.#metrics.traffic(node));
  }

  #pages(): Pages {
    return {
      '/healthz': () => this.#health(),
      '/readyz': () => this.#readiness(),
      '/metrics': async () => ({
        status: 200,
        type: this.#metrics.contentType,
        body: await this.#metrics.text(await this.#state.within(limits.healthMs)),
      }),
    };
  }

  /** Both threads answer. A long instruction keeps the engine's busy for seconds, which is no failure of its own. */
  async #health(): Promise<Reply> {
    const start = performance.now();
    const well = (await this.#state.within(limits.healthMs)) !== undefined;
    const about = {
      node: this.#o.node,
      release: this.#o.release,
      time: new Date().toISOString(),
      upSeconds: Math.floor(process.uptime()),
    };
    return well
      ? jsonReply(200, { well, engineMs: Math.round(performance.now() - start), ...about })
      : jsonReply(503, { well, why: `the engine did not answer within ${limits.healthMs} ms`, ...about });
  }

  /** Both other nodes are there, and each published model is served. */
  async #readiness(): Promise<Reply> {
    // Of an engine that computes for longer what it said last stands
    await this.#state.within(limits.healthMs);
    const missing = [
      ...this.#presence.absent.map((peer) => `${peer} is not connected`),
      ...(this.#draining ? ['this node is being stopped'] : []),
      ...(this.#models ? notServed(this.#models) : ['the engine has not said yet which models it has']),
    ];
    const ready = missing.length === 0;
    return jsonReply(ready ? 200 : 503, { ready, ...(!ready && { missing }) });
  }
}

/** What is wrong with models, a line each, as far as a page holds them. */
function notServed(models: readonly ModelState[]): string[] {
  const lines = models.flatMap(({ model, why }) => (why === undefined ? [] : [`${model} is not served: ${why}`]));
  const more = lines.length - limits.readyLines;
  return more > 0 ? [...lines.slice(0, limits.readyLines), `${more} more models are not served`] : lines;
}
