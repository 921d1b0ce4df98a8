/** Prometheus metrics of the proxy: counts, times and names of models, and nothing of what was asked. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { limits } from './limits.js';

/** Seconds from a small model on one machine to a request of many asks. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const OTHER = 'other';

export class Metrics {
  readonly #registry = new Registry();
  readonly #codes = new Set<string>();
  readonly #requests = this.#counter(
    'requests_total',
    'Requests that are over, by route and status',
    'route',
    'status',
  );
  readonly #errors = this.#counter('errors_total', 'Requests that were refused or failed, by code', 'code');
  readonly #texts = this.#counter('texts_total', 'Inputs that were taken: texts, or rows of tensors', 'model');
  readonly #tokens = this.#counter('tokens_total', 'Tokens of texts that were taken', 'model');
  readonly #asks = this.#counter('asks_total', 'Runs that the nodes were asked for, by outcome', 'model', 'outcome');
  readonly #seconds = new Histogram({
    name: 'secformer_proxy_request_seconds',
    help: 'Time from a request to its answer',
    labelNames: ['route'],
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #under = new Gauge({
    name: 'secformer_proxy_requests_under_way',
    help: 'Requests that have no answer yet',
    registers: [this.#registry],
  });

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /**
   * A request has come.
   * @param route its pattern
   * @returns to be called once, when it is over
   */
  begin(route: string): (status: number, code: string | undefined) => void {
    this.#under.inc();
    const took = this.#seconds.startTimer({ route });
    return (status, code) => {
      this.#under.dec();
      took();
      this.#requests.inc({ route, status });
      if (code !== undefined) this.#errors.inc({ code: this.#code(code) });
    };
  }

  /** Inputs of a request were taken. */
  took(model: string, texts: number, tokens: number): void {
    this.#texts.inc({ model }, texts);
    this.#tokens.inc({ model }, tokens);
  }

  /** The nodes were asked. @param code why they gave no answer; absent where they did */
  asked(model: string, code?: string): void {
    this.#asks.inc({ model, outcome: code === undefined ? 'OK' : this.#code(code) });
  }

  #counter<T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> {
    return new Counter({ name: `secformer_proxy_${name}`, help, labelNames, registers: [this.#registry] });
  }

  /** Codes come from nodes, too: the first ones are told apart, so that nobody can make as many series as they like. */
  #code(code: string): string {
    if (this.#codes.has(code)) return code;
    if (this.#codes.size >= limits.codes) return OTHER;
    this.#codes.add(code);
    return code;
  }
}
