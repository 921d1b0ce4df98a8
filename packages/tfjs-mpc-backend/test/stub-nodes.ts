/** Nodes that keep a published model, of threads of this process: an `Asking` that runs it as an ordinary job. */
import { NodeError, Session } from '@secformer/party-node';
import { startTrio, type Trio } from '@secformer/party-node/node';
import type { Answered, Asking, Manifest, OnProgress } from '../src/service/nodes.js';
import type { Traced } from '../src/service/trace.js';

let trio: Trio | undefined;

/** Ends the threads. */
export async function stopNodes(): Promise<void> {
  await trio?.stop();
}

export class StubNodes implements Asking {
  dead: NodeError | undefined;
  /** how often it was asked */
  asked = 0;
  /** thrown by the next request */
  failing: Error | undefined;
  left: Answered['left'] = [];
  readonly #models: { name: string; version: string; traced: Traced[] }[];
  #session: Session | undefined;
  #free = 1e6;

  constructor(...models: { name: string; version: string; traced: Traced[] }[]) {
    this.#models = models;
  }

  async models() {
    return this.#models.map(({ name, version }) => ({ name, version, publisher: 'acme' }));
  }

  async manifest(name: string, version?: string): Promise<Manifest> {
    const model = this.#models.find((m) => m.name === name && (!version || m.version === version));
    if (!model) throw new Error(`no model ${name}`);
    const programs = model.traced.map(({ program }) => {
      const { inputs, outputs, slots, values, client, graph, revealed } = program;
      const bindings = slots.map((s) =>
        'tensor' in s
          ? { kind: 'weight', tensor: s.tensor }
          : 'value' in s
            ? { kind: 'value', value: s.value, ...values[s.value]! }
            : { kind: 'oneHot', indices: s.indices },
      );
      const shapes = revealed.map((i) => ({ shape: graph.nodes[graph.outputs[i]!]!.shape }));
      const cost = { rounds: 1, online: 1, dealer: 1, instructions: 1 };
      return { hash: '', inputs, outputs, bindings, revealed: shapes, checks: [], client, cost };
    });
    const text = JSON.stringify({
      name: model.name,
      version: model.version,
      publisher: '',
      suite: 'exact',
      programs,
      assets: [],
    });
    return JSON.parse(text) as Manifest;
  }

  async asset(_: Manifest, name: string): Promise<Uint8Array> {
    return new TextEncoder().encode(name);
  }

  async ask(
    m: Manifest,
    at: number,
    values: Float32Array[],
    indices: Int32Array[],
    { onProgress, signal }: { onProgress?: OnProgress | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Answered> {
    this.asked++;
    const error = this.failing;
    this.failing = undefined;
    if (error) throw error;
    onProgress?.({ phase: 'running' });
    signal?.throwIfAborted();
    const { program, needed } = this.#models.find((x) => x.name === m.name)!.traced[at]!;
    trio ??= startTrio();
    this.#session ??= await Session.connect(trio.dial, trio.token);
    const session = this.#session;
    for (const source of needed.sources.values()) {
      const { tensor, values: v, shape, fracBits } = source();
      if (!session.has(tensor)) await session.write(tensor, v, shape, { fracBits });
    }
    const slots = [];
    for (const s of program.slots) {
      if ('tensor' in s) slots.push(s);
      else if ('indices' in s) slots.push({ indices: indices[s.indices]! });
      else {
        const { shape, fracBits } = program.values[s.value]!;
        await session.write(this.#free, values[s.value]!, shape, { fracBits });
        slots.push({ tensor: this.#free++ });
      }
    }
    const { graph, suite, revealed, watched } = program;
    const { outputs, record } = await session.run({ graph, suite, slots, revealed, kept: [], watched }, { signal });
    return { outputs, record, left: this.left };
  }

  close(): void {
    this.dead = new NodeError('client', 'LINK_CLOSED', 'closed');
    this.#session?.close();
    this.#session = undefined;
  }
}
