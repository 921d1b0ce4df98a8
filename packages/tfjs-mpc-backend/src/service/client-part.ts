/**
 * The part of a published model that its clients compute: what the nodes are given of the model's inputs, and the
 * outputs of what the nodes reveal. Plain JSON, in which a step names earlier ones by number.
 */
import { z } from 'zod';
import type { Operand, RowsCall, Step } from '../steps.js';

const size = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31);
const shape = z.array(size).max(8);
const place = z.number().int().min(0);
const type = z.enum(['float32', 'int32', 'bool']);
/** JSON has no other numbers than finite ones, and one zero. */
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity', '-0'])]);
const scalar = z.union([z.number(), z.string().max(200), z.boolean(), z.null()]);
const name = z
  .string()
  .max(64)
  .regex(/^[A-Za-z]\w*$/);
const attributes = z.record(name, z.union([scalar, z.array(z.union([scalar, z.array(scalar)]))]));
const operand = z.strictObject({ of: place, shape, dtype: type });

const rowsCall = z.discriminatedUnion('rows', [
  z.strictObject({ rows: z.literal('gather'), depth: size, perBatch: z.number().int().min(1) }),
  z.strictObject({ rows: z.literal('flat'), depth: size, shape, kernel: name }),
  z.strictObject({ rows: z.literal('last'), outside: size }),
  z.strictObject({ rows: z.literal('inRange'), outside: size }),
  z.strictObject({ rows: z.literal('countable'), outside: size }),
]);

const step = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('input'), input: place, shape, dtype: type }),
  z.strictObject({
    step: z.literal('constant'),
    values: z.array(number),
    shape,
    dtype: z.enum([...type.options, 'real']),
  }),
  z.strictObject({
    step: z.literal('kernel'),
    kernel: name,
    attrs: attributes,
    inputs: z.union([z.array(operand).max(1024), z.record(name, operand)]),
    output: place,
    shape,
    dtype: type,
  }),
  z.strictObject({
    step: z.literal('op'),
    op: name,
    attrs: attributes,
    inputs: z.array(place).max(1024),
    indices: place.optional(),
    shape,
    dtype: z.literal('real'),
  }),
  z.strictObject({ step: z.literal('rows'), call: rowsCall, of: operand, shape, dtype: z.literal('int32') }),
  z.strictObject({ step: z.literal('revealed'), output: place, shape, dtype: z.literal('real') }),
]);
/** A step that names others by their numbers. */
export type NumberedStep = z.infer<typeof step>;

/** Form alone: whether its steps fit one another is checked by `checkedPart`. */
export const clientPart = z.strictObject({
  format: z.literal(1),
  steps: z.array(step),
  /** steps whose values are shared, in the order of the Program's values */
  values: z.array(place),
  /** steps whose integers reach the nodes as masked rows of ones */
  indices: z.array(place),
  /** the model's outputs */
  outputs: z.array(operand),
});
export type ClientPart = z.infer<typeof clientPart>;

/** What is not a finite number, in a way that JSON has. */
function written<T>(value: T): T {
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
    return (Object.is(value, -0) ? '-0' : String(value)) as T;
  if (Array.isArray(value)) return value.map(written) as T;
  return value;
}

const numbers: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
  '-0': -0,
};

/** The number that was written. */
export function numberOf(value: number | string): number {
  return typeof value === 'number' ? value : numbers[value]!;
}

/** Attributes as they were written. */
export function attributesOf(attrs: ClientPartAttributes): Record<string, unknown> {
  const read = (v: unknown): unknown =>
    Array.isArray(v) ? v.map(read) : typeof v === 'string' && Object.hasOwn(numbers, v) ? numbers[v] : v;
  return Object.fromEntries(Object.entries(attrs).map(([key, v]) => [key, read(v)]));
}
type ClientPartAttributes = z.infer<typeof attributes>;

/** Gives steps their numbers: those that compute the same have the same. */
export class PartWriter {
  readonly #steps: NumberedStep[] = [];
  readonly #places = new Map<Step, number>();
  readonly #alike = new Map<string, number>();

  /** The step's number; those that it is made of come before it. */
  place(of: Step): number {
    const left = [of];
    for (let next = left.at(-1); next; next = left.at(-1)) {
      const missing = this.#places.has(next) ? [] : madeOf(next).filter((s) => !this.#places.has(s));
      if (missing.length > 0) {
        left.push(...missing);
        continue;
      }
      left.pop();
      if (!this.#places.has(next)) this.#places.set(next, this.#placed(this.#numbered(next)));
    }
    return this.#places.get(of)!;
  }

  #placed(numbered: NumberedStep): number {
    const key = JSON.stringify(numbered);
    const at = this.#alike.get(key) ?? this.#steps.push(numbered) - 1;
    this.#alike.set(key, at);
    return at;
  }

  operand({ of, shape, dtype }: Operand) {
    return { of: this.place(of), shape: [...shape], dtype };
  }

  part(values: number[], indices: number[], outputs: ClientPart['outputs']): ClientPart {
    return { format: 1, steps: this.#steps, values, indices, outputs };
  }

  #numbered(s: Step): NumberedStep {
    const shape = [...s.shape];
    const operand = ({ of, shape, dtype }: Operand) => ({ of: this.#places.get(of)!, shape: [...shape], dtype });
    switch (s.step) {
      case 'constant':
        return { ...s, shape, values: written(Array.from(s.values)) };
      case 'kernel': {
        const { kernel, output, dtype } = s;
        const inputs = Array.isArray(s.inputs)
          ? s.inputs.map(operand)
          : Object.fromEntries(Object.entries(s.inputs).flatMap(([key, o]) => (o ? [[key, operand(o)]] : [])));
        return {
          step: 'kernel',
          kernel,
          attrs: plain(s.attrs),
          inputs,
          output,
          shape,
          dtype: dtype as Operand['dtype'],
        };
      }
      case 'op': {
        const { op, inputs, indices } = s;
        const places = inputs.map((i) => this.#places.get(i)!);
        const at = indices && { indices: this.#places.get(indices)! };
        return { step: 'op', op, attrs: plain(s.attrs), inputs: places, ...at, shape, dtype: 'real' };
      }
      case 'rows':
        return { step: 'rows', call: s.call as RowsCall, of: operand(s.of), shape, dtype: 'int32' };
      default:
        return { ...s, shape } as NumberedStep;
    }
  }
}

function plain(attrs: object): ClientPartAttributes {
  return Object.fromEntries(
    Object.entries(attrs).flatMap(([key, v]) => (v === undefined ? [] : [[key, written(v)]])),
  ) as ClientPartAttributes;
}

function madeOf(s: Step): Step[] {
  switch (s.step) {
    case 'kernel':
      return Object.values(s.inputs).flatMap((o: Operand | undefined) => (o ? [o.of] : []));
    case 'op':
      return s.indices ? [...s.inputs, s.indices] : s.inputs;
    case 'rows':
      return [s.of.of];
    default:
      return [];
  }
}
