/** Published models that are made up, behind a proxy's server: they answer by what they are given. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { Relay } from '../src/proxy/relay.js';
import { Models, openServed } from '../src/proxy/served.js';
import { makeServer, type ServerOptions } from '../src/proxy/server.js';
import type { Model, Service } from '../src/service.js';
import type { Tf } from '../src/tfjs.js';
import { sst2 } from './commands.js';

interface Tensor {
  values: Float32Array | Int32Array;
  shape: number[];
  dtype: string;
}

/** As much of TensorFlow.js as the proxy uses. */
const tf = {
  tensor: (values: Tensor['values'], shape: number[], dtype: string) => ({ values, shape, dtype }),
  dispose: () => {},
} as unknown as Tf;

const bytes = (name: string) => new Uint8Array(readFileSync(join(sst2, name)));
const ASSETS: Record<string, Uint8Array> = Object.fromEntries(
  ['config.json', 'tokenizer.json', 'tokenizer_config.json'].map((name) => [name, bytes(name)]),
);

export interface Made {
  name: string;
  version?: string;
  /** [batch, tokens] of a model of texts; else of its one input x, float32 */
  shapes: number[][];
  /** outputs, and what each gives for a row: the tokens of a text, or the numbers of x */
  outputs: Record<string, (row: number[]) => number[]>;
  texts?: boolean;
}

export class MadeUp {
  /** shapes of the inputs of each ask */
  readonly asked: number[][] = [];
  /** thrown by whoever asks, or for a file */
  failure: Error | undefined;
  /** every ask waits for it, or until it is given up */
  until: Promise<void> = Promise.resolve();

  readonly #made: readonly Made[];
  constructor(...made: Made[]) {
    this.#made = made;
  }

  async server(options: Partial<ServerOptions> = {}): Promise<{ app: FastifyInstance; relay: Relay }> {
    const service = { loadPublished: async (name: string) => this.#model(name) } as unknown as Service;
    const served = [];
    for (const { name } of this.#made) served.push(await openServed(service, name, {} as never));
    const relay = new Relay(new Models(served), tf);
    const report = () => {};
    return { app: await makeServer({ relay, local: true, report, ...options }), relay };
  }

  #model(ref: string): Model {
    const { name, version = '1', shapes, outputs, texts = true } = this.#made.find((m) => m.name === ref)!;
    const assets = texts ? ASSETS : {};
    const inputs = texts ? ['ids', 'mask', 'segments'] : ['x'];
    const row = (shape: number[]) => new Array<number>(shape.slice(1).reduce((a, b) => a * b, 1)).fill(1);
    const programs = shapes.map((shape) => ({
      inputs: inputs.map((input) => ({ name: input, shape, dtype: texts ? 'int32' : 'float32' })),
      outputs: Object.entries(outputs).map(([output, of]) => ({
        name: output,
        shape: [shape[0]!, of(row(shape)).length],
        dtype: 'float32',
      })),
    }));
    const manifest = {
      ...{ name, version, programs, generation: '00', publisher: 'aa', published: 1_700_000_000_000 },
      assets: Object.keys(assets).map((file) => ({ name: file, bytes: assets[file]!.length })),
    };
    return {
      manifest,
      asset: async (file: string) => {
        if (this.failure) throw this.failure;
        return assets[file]!;
      },
      dispose: () => {},
      execute: (given: Record<string, Tensor>, wanted: string[], { signal }: { signal: AbortSignal }) => {
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        aborted.catch(() => {});
        const [batch, size] = given[inputs[0]!]!.shape as [number, number];
        this.asked.push([batch, size]);
        const rows = Array.from({ length: batch }, (_, i) => {
          const values = [...given[inputs[0]!]!.values.slice(i * size, (i + 1) * size)];
          return texts ? values.filter((_, k) => given.mask!.values[i * size + k] === 1) : values;
        });
        return wanted.map((output) => {
          const made = rows.map((r) => outputs[output]!(r));
          const data = async () => {
            await Promise.race([this.until, aborted]);
            if (this.failure) throw this.failure;
            return Float32Array.from(made.flat());
          };
          return { shape: [batch, made[0]!.length], dtype: 'float32', data };
        });
      },
    } as unknown as Model;
  }
}

/** Vectors tell how many tokens there are, and the first one that is no special one. */
export const EMBEDDER: Made = {
  name: 'vectors',
  shapes: [
    [1, 8],
    [4, 16],
  ],
  outputs: { embed: (ids) => [ids.length, (ids[1] ?? 0) / 100, 0] },
};
export const CLASSIFIER: Made = {
  name: 'sst2',
  shapes: [
    [1, 8],
    [2, 16],
  ],
  outputs: { logits: (ids) => [ids.length, 3] },
};
/** A classifier of pairs with one label: the more tokens the better. */
export const RANKER: Made = { name: 'ranker', shapes: [[1, 32]], outputs: { logits: (ids) => [ids.length / 10] } };
/** Takes numbers: their sum, and each doubled. */
export const NUMBERS: Made = {
  name: 'numbers',
  texts: false,
  shapes: [
    [1, 3],
    [4, 3],
  ],
  outputs: { sum: (x) => [x.reduce((a, b) => a + b, 0)], twice: (x) => x.map((v) => 2 * v) },
};
