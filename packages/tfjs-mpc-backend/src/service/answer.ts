/** An answer of a published model: asked for when the first of its outputs is read, once for all of them. */
import { SecformerError } from '@secformer/ring';
import { configuration } from '../config.js';
import type { Later } from '../data-record.js';
import type { PlainTensor } from '../host.js';
import { rangeLeft } from '../range-left.js';
import { noteRun } from '../reads.js';
import type { ClientPart } from './client-part.js';
import { ClientRun } from './client-run.js';
import type { Answered } from './nodes.js';

/** An input's values: there, or an answer of another model. */
export type AskInput = PlainTensor | (Omit<PlainTensor, 'values'> & { later: Later });

/** How values get to the nodes and answers back. */
export interface AskNodes {
  ask(values: Float32Array[], indices: Int32Array[]): Promise<Answered>;
  /** @throws SecformerError NO_SYNC_READ where nothing can wait on this thread */
  askSync(values: Float32Array[], indices: Int32Array[]): Answered;
}

export class Answer {
  readonly #part: ClientPart;
  readonly #inputs: readonly AskInput[];
  readonly #nodes: AskNodes;
  #underWay: Promise<void> | undefined;
  #outputs: PlainTensor[] | undefined;

  /** @param part as `checkedPart` has it, for inputs of these types */
  constructor(part: ClientPart, inputs: readonly AskInput[], nodes: AskNodes) {
    this.#part = part;
    this.#inputs = inputs;
    this.#nodes = nodes;
  }

  /** One of the outputs. */
  output(at: number): Later {
    const made = () => this.#outputs?.[at]?.values;
    return {
      get values() {
        return made();
      },
      read: () => this.#read(),
      readSync: () => this.#readSync(),
    };
  }

  async #read(): Promise<void> {
    if (this.#outputs) return;
    this.#underWay ??= this.#ask().finally(() => {
      // What failed may be asked again
      this.#underWay = undefined;
    });
    await this.#underWay;
  }

  async #ask(): Promise<void> {
    for (const input of this.#inputs) if ('later' in input && !input.later.values) await input.later.read();
    const run = this.#run();
    const { values, indices } = run.given();
    this.#take(run, await this.#nodes.ask(values, indices));
  }

  #readSync(): void {
    if (this.#outputs) return;
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
