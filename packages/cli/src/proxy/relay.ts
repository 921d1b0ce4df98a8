/** What all interfaces of a proxy share: its models, its asks at the nodes, and what is counted. */
import type { Tf } from '../tfjs.js';
import { askOnce, type Plain } from './ask.js';
import { Asks } from './asks.js';
import { limits } from './limits.js';
import { Metrics } from './metrics.js';
import type { Models, Served } from './served.js';

/** Whoever waits for an answer: the signal says that nobody does any more, or that the time is over. */
export interface Waiting {
  signal: AbortSignal;
}

export class Relay {
  readonly models: Models;
  readonly asks = new Asks();
  readonly metrics = new Metrics();
  readonly #tf: Tf;
  /** when the nodes have answered last, in milliseconds */
  #answered = Number.NEGATIVE_INFINITY;
  #probe: { at: number; result: Promise<boolean> } | undefined;

  constructor(models: Models, tf: Tf) {
    this.models = models;
    this.#tf = tf;
  }

  /** One ask; places are given by `asks`, as is the signal of who waits for it. */
  async ask(
    { model, title }: Served,
    inputs: readonly Plain[],
    wanted: string[],
    signal: AbortSignal,
  ): Promise<Plain[]> {
    try {
      const outputs = await askOnce(this.#tf, model, { inputs, wanted, signal });
      this.#answered = performance.now();
      this.metrics.asked(title);
      return outputs;
    } catch (error) {
      this.metrics.asked(title, (error as { code?: string }).code ?? 'failed');
      throw error;
    }
  }

  /** Do the nodes answer? They are asked for the smallest public file of each model, unless they have just answered. */
  async ready(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#answered < limits.healthMs) return true;
    if (!this.#probe || now - this.#probe.at > limits.healthMs) this.#probe = { at: now, result: this.#reached() };
    return this.#probe.result;
  }

  async #reached(): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), limits.healthWaitMs);
    });
    const all = Promise.all(this.models.all.map(reaches)).then((each) => each.every(Boolean));
    const reached = await Promise.race([all, late]);
    clearTimeout(timer);
    return reached;
  }
}

async function reaches({ model }: Served): Promise<boolean> {
  const { assets } = model.manifest;
  if (assets.length === 0) return true;
  const smallest = assets.reduce((a, b) => (b.bytes < a.bytes ? b : a));
  return model.asset(smallest.name).then(
    () => true,
    () => false,
  );
}
