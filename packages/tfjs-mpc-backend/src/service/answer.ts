/** An answer of a published model: asked for when the first of its outputs is read, once for all of them. */
import { throwIfAborted } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import { configuration } from '../config.js';
import type { Later } from '../data-record.js';
import type { PlainTensor } from '../host.js';
import { Joined } from '../joined.js';
import { rangeLeft } from '../range-left.js';
import { noteRun } from '../reads.js';
import type { ClientPart } from './client-part.js';
import { ClientRun } from './client-run.js';
import type { Answered } from './nodes.js';

/** An input's values: there, or an answer of another model. */
export type AskInput = PlainTensor | (Omit<PlainTensor, 'values'> & { later: Later });

/** How values get to the nodes and answers back. */
export interface AskNodes {
  ask(values: Float32Array[], indices: Int32Array[], signal: AbortSignal): Promise<Answered>;
  /** @throws SecformerError NO_SYNC_READ where nothing can wait on this thread */
  askSync(values: Float32Array[], indices: Int32Array[]): Answered;
}

export class Answer {
  readonly #part: ClientPart;
  readonly #inputs: readonly AskInput[];
  readonly #nodes: AskNodes;
  readonly #signal: AbortSignal | undefined;
  #underWay: Joined<void> | undefined;
  #outputs: PlainTensor[] | undefined;

  /**
   * @param part as `checkedPart` has it, for inputs of these types
   * @param signal gives the ask up, whoever reads
   */
  constructor(part: ClientPart, inputs: readonly AskInput[], nodes: AskNodes, signal?: AbortSignal) {
    this.#part = part;
    this.#inputs = inputs;
    this.#nodes = nodes;
    this.#signal = signal;
  }

  /** One of the outputs. */
  output(at: number): Later {
    const made = () => this.#outputs?.[at]?.values;
    return {
      get values() {
        return made();
      },
      read: (signal) => this.#read(signal),
      readSync: () => this.#readSync(),
    };
  }

  async #read(signal: AbortSignal | undefined): Promise<void> {
    if (this.#outputs) return;
    let one = this.#underWay;
    if (!one || one.isGivenUp) {
      const mine = new Joined((signal) => this.#ask(signal), this.#signal);
      void mine.over().then(() => {
        // What failed may be asked again
        if (this.#underWay === mine) this.#underWay = undefined;
      });
      this.#underWay = mine;
      one = mine;
    }
    await one.wait(signal);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    for (const input of this.#inputs) if ('later' in input && !input.later.values) await input.later.read(signal);
    const run = this.#run();
    const { values, indices } = run.given();
    this.#take(run, await this.#nodes.ask(values, indices, signal));
  }

  #readSync(): void {
    if (this.#outputs) return;
    throwIfAborted(this.#signal);
    for (const input of this.#inputs) if ('later' in input && !input.later.values) input.later.readSync();
    const run = this.#run();
    const { values, indices } = run.given();
    this.#take(run, this.#nodes.askSync(values, indices));
  }

  #run(): ClientRun {
    const plain = (i: AskInput): PlainTensor => ('later' in i ? { ...i, values: i.later.values! } : i);
    return new ClientRun(this.#part, this.#inputs.map(plain));
  }

  /** @throws SecformerError RANGE_LEFT where values have left the range that a protocol holds, as a read does */
  #take(run: ClientRun, { outputs, record, left }: Answered): void {
    noteRun({ ...record, setupMs: 0 });
    const refused = rangeLeft(left, configuration().onRange);
    if (refused) throw refused;
    try {
      this.#outputs ??= run.outputs(outputs);
    } catch (cause) {
      const why = `the answer is not what the published model says (${(cause as Error).message})`;
      throw new SecformerError('CLIENT_PART_REFUSED', why, { cause });
    }
  }
}
