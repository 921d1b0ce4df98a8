/** Three nodes with two models, the page, and a real browser. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadBert, tokenizerFiles } from '@secformer/bert-loader';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import { publish } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type ServedPage, servePage } from '../server/page-server.js';
import type { Connection } from '../src/messages.js';

const MODEL = fileURLToPath(new URL('../../../bench/models/sst2-tiny', import.meta.url));

/** The browser, by the variable SECFORMER_CHROMIUM or where Debian has it; undefined where there is none. */
export const CHROMIUM = [process.env.SECFORMER_CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path));

/** What plaintext says. */
export interface Plaintext {
  label(text: string): string;
  similarity(a: string, b: string): number;
}

export class Site {
  readonly service: LocalService;
  readonly #browser: Browser;
  readonly #page: ServedPage;
  /** config.json */
  config: Partial<Connection> | undefined;
  /** of the classifier; of the model that embeds */
  readonly classifier: Connection;
  readonly embedder: Connection;

  private constructor(
    service: LocalService,
    browser: Browser,
    page: { served: ServedPage; config: () => unknown },
    connections: { classifier: Connection; embedder: Connection },
  ) {
    this.service = service;
    this.#browser = browser;
    this.#page = page.served;
    this.classifier = connections.classifier;
    this.embedder = connections.embedder;
    this.config = this.classifier;
    page.config = () => this.config;
  }

  static async start(): Promise<Site> {
    // Little is prepared before it is asked: the processors are for what is tested
    const service = await startLocalService({ flags: () => ['--pool-bytes', '32M'] });
    await publishBoth(service);
    const page = { served: undefined as unknown as ServedPage, config: (): unknown => undefined };
    page.served = await servePage(() => page.config());
    // Chromium's sandbox needs a user of its own; what is loaded is this page alone
    const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
    const connections = {
      classifier: await connectionTo(service, 'sst2'),
      embedder: await connectionTo(service, 'embedder'),
    };
    return new Site(service, browser, page, connections);
  }

  get url(): string {
    return this.#page.url;
  }

  /** A page of its own, that has been loaded; what its console says of errors is in `errors`. */
  async open(options: BrowserContextOptions = {}): Promise<{ page: Page; errors: string[] }> {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('console', (m) => {
      // A file that need not be there
      if (m.type() === 'error' && !m.location().url.endsWith('/config.json')) errors.push(m.text());
    });
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.addInitScript(() => {
      const long: { at: number; ms: number }[] = [];
      Object.assign(globalThis, { longTasks: long });
      new PerformanceObserver((list) => {
        for (const { startTime, duration } of list.getEntries()) long.push({ at: startTime, ms: duration });
      }).observe({ type: 'longtask', buffered: true });
    });
    await page.goto(this.url, { waitUntil: 'load' });
    return { page, errors };
  }

  /** Starts a node again. @returns when it has met the other two */
  async restart(role: 'party0' | 'party1' | 'dealer'): Promise<void> {
    const met = () => this.service.log(role).filter((line) => /"ready"/.test(line)).length;
    const before = met();
    await this.service.restart(role);
    for (let waits = 0; met() === before; waits++) {
      if (waits > 600)
        throw new Error(`${role} does not meet the others: ${this.service.log(role).slice(-5).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#page.close();
    this.service.stop();
  }
}

/** A client with a key of its own. @param now when its grant is made, in seconds since 1970 */
export async function connectionTo(service: LocalService, model: string, now?: number): Promise<Connection> {
  const { key, grant } = await service.grant({ model }, now);
  const network = JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;
  return { network, key: secretKeyText(key), grant, model };
}

/** The same weights as a classifier and as a model that embeds. */
async function publishBoth(service: LocalService): Promise<void> {
  tf.enableProdMode();
  await tf.setBackend('secformer');
  const network = JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;
  const assets = Object.fromEntries(
    await tokenizerFiles((name) => readFile(join(MODEL, name)).catch(() => undefined), MODEL),
  );
  const model = await loadBert(MODEL);
  const common = { version: '1', assets, network, key: secretKeyText(service.publisher.secret) };
  const shapes = (lengths: number[]) => lengths.map((n) => ({ ids: { shape: [1, n] } }));
  await publish(model, { ...common, name: 'sst2', inputs: shapes([16, 32, 64]) });
  await publish(model, { ...common, name: 'embedder', inputs: shapes([16]), outputs: { embed: 'embed' } });
  model.dispose();
}

/** What the model says of these texts without nodes. */
export async function plaintext(texts: readonly string[]): Promise<Plaintext> {
  await tf.setBackend('cpu');
  const model = await loadBert(MODEL);
  const labels = new Map<string, string>();
  const vectors = new Map<string, Float32Array>();
  for (const text of texts) {
    const inputs = model.tokenize(text, 16);
    const [scores, vector] = [model.logits(inputs), model.embed(inputs)];
    const logits = [...(await scores.data())];
    labels.set(text, model.config.labels[logits.indexOf(Math.max(...logits))]!);
    vectors.set(text, (await vector.data()) as Float32Array);
    tf.dispose([scores, vector, ...Object.values(inputs)]);
  }
  model.dispose();
  return {
    label: (text) => labels.get(text)!,
    similarity(a, b) {
      const [x, y] = [vectors.get(a)!, vectors.get(b)!];
      const dot = (u: Float32Array, v: Float32Array) => u.reduce((n, value, i) => n + value * v[i]!, 0);
      return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
    },
  };
}
