/** Checks a client part before any of it is computed: its publisher is not trusted with the client's process. */

import { SecformerError, sizeOf } from '@secformer/ring';
import type { Shape } from '@secformer/secformer-ops';
import { BadStep } from '../client-attributes.js';
import { kernelRule } from '../client-kernels.js';
import { CLIENT_ELEMENTS, CLIENT_ELEMENTS_TOGETHER, CLIENT_STEPS, CLIENT_WORK } from '../limits.js';
import { attributesOf, type ClientPart, clientPart, type NumberedStep } from './client-part.js';
import type { TensorSpec } from './nodes.js';
import { checkOp, checkRows } from './op-rules.js';

/** What a Program says beside its client part. */
export interface PartOf {
  inputs: readonly TensorSpec[];
  outputs: readonly TensorSpec[];
  /** shapes of the values that the nodes are given, and of what they reveal */
  values: readonly Shape[];
  revealed: readonly Shape[];
  /** how many lists of integers the nodes are given */
  indices: number;
}

function refused(why: string): SecformerError {
  return new SecformerError('CLIENT_PART_REFUSED', `the published model asks its clients to compute ${why}`);
}

/**
 * Reads a client part that anybody may have written.
 * @throws SecformerError CLIENT_PART_REFUSED where it is of another form, takes more than a client gives, or does not
 *   fit what the model is said to take and give
 */
export function checkedPart(given: unknown, of: PartOf): ClientPart {
  const { steps } = (given ?? {}) as { steps?: unknown };
  if (Array.isArray(steps) && steps.length > CLIENT_STEPS)
    throw refused(`${steps.length} steps, and clients compute ${CLIENT_STEPS} at most`);
  const read = clientPart.safeParse(given);
  if (!read.success) throw refused(`what is no list of steps: ${read.error.issues[0]?.path.join('.')}`);
  new PartChecker(read.data, of).check();
  return read.data;
}

class PartChecker {
  readonly #part: ClientPart;
  readonly #of: PartOf;
  /** of each step, whether it follows from what is revealed */
  readonly #late: boolean[] = [];
  #elements = 0;
  #work = 0;

  constructor(part: ClientPart, of: PartOf) {
    this.#part = part;
    this.#of = of;
  }

  check(): void {
    const { steps, values, indices, outputs } = this.#part;
    steps.forEach((s, i) => {
      try {
        this.#step(s, i);
      } catch (error) {
        throw refused(`step ${i}: ${error instanceof BadStep ? error.message : 'of a form that does not fit'}`);
      }
    });
    const { inputs: _, ...declared } = this.#of;
    const fits = (is: boolean, what: string) => {
      if (!is) throw refused(`${what} that do not fit what it is said to take and give`);
    };
    const early = (i: number) => i < steps.length && !this.#late[i];
    fits(values.length === declared.values.length && values.every(early), 'values');
    fits(
      values.every((v, i) => sizeOf(steps[v]!.shape) === sizeOf(declared.values[i]!)),
      'values',
    );
    fits(
      indices.length === declared.indices && indices.every((i) => early(i) && steps[i]!.dtype === 'int32'),
      'indices',
    );
    fits(
      outputs.length === declared.outputs.length &&
        outputs.every(
          ({ of, shape, dtype }, i) =>
            of < steps.length &&
            sizeOf(steps[of]!.shape) === sizeOf(shape) &&
            shape.join() === declared.outputs[i]!.shape.join() &&
            dtype === declared.outputs[i]!.dtype,
        ),
      'outputs',
    );
  }

  #step(s: NumberedStep, at: number): void {
    const n = sizeOf(s.shape);
    this.#elements += n;
    if (!(n <= CLIENT_ELEMENTS && this.#elements <= CLIENT_ELEMENTS_TOGETHER))
      throw new BadStep(`[${s.shape}], too much`);
    this.#late.push(s.step === 'revealed');
    this.#work += this.#checked(s, at);
    if (!(this.#work <= CLIENT_WORK)) throw new BadStep('too much work');
  }

  /** @returns elementary steps that it takes */
  #checked(s: NumberedStep, at: number): number {
    const { inputs, revealed } = this.#of;
    const alike = (x: Shape | undefined) => {
      if (x?.join() !== s.shape.join()) throw new BadStep(`[${s.shape}] for [${x}]`);
    };
    switch (s.step) {
      case 'input':
        alike(inputs[s.input]?.shape);
        if (inputs[s.input]!.dtype !== s.dtype) throw new BadStep(`an input of type ${s.dtype}`);
        return 0;
      case 'revealed':
        alike(revealed[s.output]);
        return 0;
      case 'constant':
        if (s.values.length !== sizeOf(s.shape)) throw new BadStep(`${s.values.length} values for [${s.shape}]`);
        return s.values.length;
      case 'kernel': {
        const shapes = Array.isArray(s.inputs)
          ? s.inputs.map((o) => this.#operand(o, at))
          : Object.fromEntries(Object.entries(s.inputs).map(([key, o]) => [key, this.#operand(o, at)]));
        const rule = kernelRule(s.kernel, shapes, attributesOf(s.attrs));
        alike(rule.shapes[s.output]);
        // All results are computed, whichever is taken
        return rule.work;
      }
      case 'op': {
        const shapes = s.inputs.map((i) => this.#shape(i, at));
        const indices = s.indices === undefined ? undefined : sizeOf(this.#shape(s.indices, at));
        if (s.indices !== undefined && this.#part.steps[s.indices]!.dtype !== 'int32') throw new BadStep('no integers');
        return checkOp(s.op, shapes, attributesOf(s.attrs), s.shape, indices);
      }
      default:
        checkRows(s.call, this.#operand(s.of, at), s.shape);
        return sizeOf(s.shape);
    }
  }

  /** The shape of an earlier step. */
  #shape(i: number, at: number): Shape {
    if (i >= at) throw new BadStep(`step ${i}, which comes later`);
    if (this.#late[i]) this.#late[at] = true;
    return this.#part.steps[i]!.shape;
  }

  #operand({ of, shape }: { of: number; shape: Shape }, at: number): Shape {
    if (sizeOf(this.#shape(of, at)) !== sizeOf(shape)) throw new BadStep(`step ${of} as [${shape}]`);
    return shape;
  }
}
