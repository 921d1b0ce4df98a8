/** Plans requests into the Programs that the nodes run; equal requests share one plan. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { sizeOf } from '@secformer/ring';
import {
  type CheckedProgram,
  type Forms,
  formsTaken,
  type Graph,
  type InputState,
  type Plan,
  plan,
  readProgram,
  saltOf,
  suiteOf,
  withoutUnusedInputs,
  writtenTensor,
} from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { BoundInput } from '../wire/messages.js';
import { checkSize } from './check-size.js';
import type { ClientTensors } from './client-tensors.js';
import { type RunRequest, tensorOf } from './run-request.js';
import type { OneHotInput, OutputType, Runnable } from './runnable.js';

/** A request's Program as the nodes know it. */
export interface Planned extends Runnable {
  plan: Plan;
  checked: CheckedProgram;
  /** the encoded program, if the nodes do not have it yet */
  bytes: Uint8Array | undefined;
  /** equal for requests that the same prepared run can serve */
  key: string;
}

/** Of a request that takes tensors in a form which they were not written in; nothing of it was sent. */
export class FormsLacking extends NodeError {
  /** @param tensors to be written again, as shares, beside what there is of them */
  constructor(readonly tensors: readonly number[]) {
    const what = `tensor ${tensors[0]} is at the nodes as an opening alone, and this takes another form of it`;
    super('client', 'TENSOR_LOST', `${what}; write it as a share too`);
  }
}

/** What a request is planned as. */
interface Entry {
  plan: Plan;
  checked: CheckedProgram;
  hash: string;
}

export class Planner {
  readonly #tensors: ClientTensors;
  readonly #plans = new Map<string, Entry>();
  /** hashes of graphs that were planned to be run */
  readonly #graphs = new Set<string>();
  /** hashes of programs that the nodes have */
  readonly #sent = new Set<string>();
  /** salt of bucketed lookups, drawn before any index is known, so that nobody can choose indices that overflow */
  readonly #salt = saltOf(randomBytes(7));

  constructor(tensors: ClientTensors) {
    this.#tensors = tensors;
  }

  /**
   * In which forms tensors of a request are best written, the first time that its graph is run: an opening that its
   * owner writes costs less than a share that is opened. In the place of one that comes later, another may come each
   * time, and only around a share can a run be prepared ahead.
   * @param fresh what is known of tensors that the nodes do not have
   * @throws NodeError TENSOR_LOST; ProgramError where the graph cannot be planned
   */
  forms(request: RunRequest, fresh: ReadonlyMap<number, Partial<InputState>>): Map<number, Forms> {
    const forms = new Map<number, Forms>([...fresh.keys()].map((tensor) => [tensor, SHARED]));
    if (this.#graphs.has(hashOf(request.graph))) return forms;
    const sizes = sizesOf(request.graph);
    for (const [tensor, taken] of formsOf(request, this.#plan(request, this.#states(request, fresh)))) {
      const { slots, share, widths } = taken;
      const large = slots.some((slot) => sizes.get(slot)! >= limits.openedElements);
      if (fresh.has(tensor) && large && !share && widths.length > 0) forms.set(tensor, { share, widths });
    }
    return forms;
  }

  #states(request: RunRequest, fresh?: ReadonlyMap<number, Partial<InputState>>): InputState[] {
    return request.slots.map((s) => {
      if ('indices' in s) return { ...writtenTensor, stored: [] };
      const state = fresh?.get(s.tensor);
      return state ? { ...writtenTensor, ...state, stored: [] } : this.#tensors.state(s.tensor);
    });
  }

  #plan({ graph, suite, revealed, kept, ranges, watched }: RunRequest, states: readonly InputState[]): Plan {
    const made = plan(
      graph,
      suiteOf(suite),
      states,
      revealed,
      kept.map((k) => k.output),
      ranges,
      {
        salt: this.#salt,
        ...(watched !== undefined && { watched }),
      },
    );
    return withoutUnusedInputs(made);
  }

  /**
   * @throws NodeError TENSOR_LOST where a tensor is not there; FormsLacking where it is, and not in the form that the
   *   request takes; LIMIT_EXCEEDED where the program is more than nodes take
   */
  planned(request: RunRequest): Planned {
    const states = this.#states(request);
    const { suite, revealed, ranges, watched } = request;
    const graph = hashOf(request.graph);
    const key = hashOf([graph, states, revealed, request.kept.map((k) => k.output), suite, ranges, watched]);
    this.#graphs.delete(graph);
    this.#graphs.add(graph);
    if (this.#graphs.size > limits.sessionPrograms) this.#graphs.delete(this.#graphs.values().next().value!);
    let entry = this.#plans.get(key);
    let bytes: Uint8Array | undefined;
    if (!entry) {
      const made = this.#plan(request, states);
      const lacking = [...formsOf(request, made).keys()].filter((tensor) => this.#tensors.state(tensor).withoutShare);
      if (lacking.length > 0) throw new FormsLacking(lacking);
      checkSize(made.program);
      bytes = encodeProgram(made);
      const checked = readProgram(bytes);
      entry = { plan: made, checked, hash: bytesToHex(checked.hash) };
      this.#plans.set(key, entry);
      if (this.#plans.size > limits.sessionPrograms) this.#plans.delete(this.#plans.keys().next().value!);
    } else if (!this.#sent.has(entry.hash)) {
      bytes = encodeProgram(entry.plan);
    }
    const inputs = entry.plan.bindings.map((b): BoundInput => {
      if (b.kind !== 'opened') return { kind: b.kind };
      const tensor = tensorOf(request, b.slot);
      return { kind: 'opened', tensor, width: b.width, run: this.#tensors.openedBy(tensor, b.width) };
    });
    return { ...entry, ...shapeOf(entry), bytes, inputs, key: `${key} ${JSON.stringify(inputs)}` };
  }

  /** Records that the nodes have received a program. */
  sent(hash: string): void {
    this.#sent.add(hash);
    // The nodes evict their oldest program as well
    if (this.#sent.size > limits.sessionPrograms) this.#sent.delete(this.#sent.values().next().value!);
  }
}

const SHARED: Forms = { share: true, widths: [] };

const hashOf = (value: unknown): string => bytesToHex(sha256(new TextEncoder().encode(JSON.stringify(value))));

/** Elements of a graph's inputs, by slot. */
function sizesOf({ nodes }: Graph): Map<number, number> {
  return new Map(nodes.flatMap((n) => (n.op === 'input' ? [[n.slot, sizeOf(n.shape)] as const] : [])));
}

/** The forms that a plan takes of each tensor, and where: one may be in several slots. */
function formsOf(request: RunRequest, made: Plan): Map<number, Forms & { slots: number[] }> {
  const forms = new Map<number, Forms & { slots: number[] }>();
  for (const [slot, { share, widths }] of formsTaken(made)) {
    const tensor = tensorOf(request, slot);
    const before = forms.get(tensor) ?? { share: false, widths: [], slots: [] };
    const all = [...new Set([...before.widths, ...widths])].sort((a, b) => a - b);
    forms.set(tensor, { share: share || before.share, widths: all, slots: [...before.slots, slot] });
  }
  return forms;
}

export function encodeProgram({ program }: Plan): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(program));
}

/** What a plan's Program takes and gives, as far as its client has to know. */
export function shapeOf({
  plan: { bindings, checks },
  checked: { program, types, cost },
}: Pick<Planned, 'plan' | 'checked'>): Pick<Runnable, 'oneHots' | 'outputs' | 'checks' | 'rounds'> {
  const oneHots = bindings.flatMap((binding, i): OneHotInput[] => {
    const input = program.inputs[i]!;
    return binding.kind === 'oneHot' && input.kind === 'oneHot' ? [{ ...input, binding }] : [];
  });
  return { oneHots, outputs: program.outputs.map((v) => types[v] as OutputType), checks, rounds: cost.rounds };
}
