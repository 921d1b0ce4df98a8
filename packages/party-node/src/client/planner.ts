/** Plans requests into the Programs that the nodes run; equal requests share one plan. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import {
  type CheckedProgram,
  type Plan,
  plan,
  readProgram,
  saltOf,
  suiteOf,
  writtenTensor,
} from '@secformer/secformer-ops';
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

export class Planner {
  readonly #tensors: ClientTensors;
  readonly #plans = new Map<string, { plan: Plan; checked: CheckedProgram; hash: string }>();
  /** hashes of programs that the nodes have */
  readonly #sent = new Set<string>();
  /** salt of bucketed lookups, drawn before any index is known, so that nobody can choose indices that overflow */
  readonly #salt = saltOf(randomBytes(7));

  constructor(tensors: ClientTensors) {
    this.#tensors = tensors;
  }

  /** @throws NodeError TENSOR_LOST, LIMIT_EXCEEDED where the program is more than nodes take */
  planned(request: RunRequest): Planned {
    const states = request.slots.map((s) => {
      if ('indices' in s) return { ...writtenTensor, stored: [] };
      return this.#tensors.state(s.tensor);
    });
    const kept = request.kept.map((k) => k.output);
    const key = bytesToHex(
      sha256(
        new TextEncoder().encode(
          JSON.stringify([
            request.graph,
            states,
            request.revealed,
            kept,
            request.suite,
            request.ranges,
            request.watched,
          ]),
        ),
      ),
    );
    let entry = this.#plans.get(key);
    let bytes: Uint8Array | undefined;
    if (!entry) {
      const made = plan(request.graph, suiteOf(request.suite), states, request.revealed, kept, request.ranges, {
        salt: this.#salt,
        ...(request.watched !== undefined && { watched: request.watched }),
      });
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
