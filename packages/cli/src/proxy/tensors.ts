/** Numbers in JSON as tensors, for the interfaces that know no texts. */
import type { TensorSpec } from '@secformer/tfjs-mpc-backend';
import type { Numbers, Plain } from './ask.js';
import { limits } from './limits.js';
import { badRequest } from './refusals.js';

/** Nested lists, numbers and booleans. */
export type Nested = number | boolean | readonly Nested[];

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** All values of nested lists, in order. @throws Refusal 400 for what is neither a number, a boolean nor a list */
function flat(data: unknown, what: string): (number | boolean)[] {
  const values: (number | boolean)[] = [];
  const visit = (item: unknown, depth: number) => {
    if (typeof item === 'number' || typeof item === 'boolean') values.push(item);
    else if (Array.isArray(item) && depth < limits.rank) for (const i of item) visit(i, depth + 1);
    else if (Array.isArray(item)) throw badRequest(`${what} has lists in lists more than ${limits.rank} deep`);
    else throw badRequest(`${what} holds ${item === null ? 'null' : `a ${typeof item}`}; expected numbers`);
  };
  visit(data, 0);
  return values;
}

/** The shape that nested lists have. @throws Refusal 400 where lists beside one another differ in length */
export function shapeOf(data: unknown, what: string): number[] {
  const shape: number[] = [];
  for (let item = data; Array.isArray(item); item = item[0]) {
    shape.push(item.length);
    if (shape.length > limits.rank) throw badRequest(`${what} has lists in lists more than ${limits.rank} deep`);
  }
  const check = (item: unknown, depth: number): boolean =>
    depth === shape.length
      ? !Array.isArray(item)
      : Array.isArray(item) && item.length === shape[depth] && item.every((i) => check(i, depth + 1));
  if (!check(data, 0)) throw badRequest(`${what} is ragged: lists beside one another have different lengths`);
  return shape;
}

/**
 * @param data nested or flat, in row-major order
 * @throws Refusal 400, which says where and never what
 */
export function plainOf(spec: TensorSpec, shape: readonly number[], data: unknown, what: string): Plain {
  const values = flat(data, what);
  if (values.length !== sizeOf(shape))
    throw badRequest(`${what} has ${values.length} values; the shape [${shape}] has ${sizeOf(shape)}`);
  return { name: spec.name, dtype: spec.dtype, shape: [...shape], values: typed(values, spec, what) };
}

function typed(values: readonly (number | boolean)[], { dtype }: TensorSpec, what: string): Numbers {
  const made =
    dtype === 'float32'
      ? new Float32Array(values.length)
      : dtype === 'int32'
        ? new Int32Array(values.length)
        : new Uint8Array(values.length);
  const takes: Readonly<Record<TensorSpec['dtype'], (n: number) => boolean>> = {
    float32: (n) => Number.isFinite(Math.fround(n)),
    int32: (n) => n === (n | 0),
    bool: (n) => n === 0 || n === 1,
  };
  for (let i = 0; i < values.length; i++) {
    const n = Number(values[i]);
    if (!takes[dtype](n)) throw badRequest(`value ${i} of ${what} is no ${dtype}`);
    made[i] = n;
  }
  return made;
}

/** A tensor's values as JSON has them: booleans where they are, a list else. */
export function flatOf({ values, dtype }: Plain): (number | boolean)[] {
  return dtype === 'bool' ? Array.from(values, (v) => v !== 0) : Array.from(values);
}

/** The same as nested lists. */
export function nested(plain: Plain): Nested {
  let level: Nested[] = flatOf(plain);
  for (const size of plain.shape.slice(1).reverse()) {
    const next: Nested[] = [];
    for (let at = 0; at < level.length; at += size) next.push(level.slice(at, at + size));
    level = next;
  }
  return plain.shape.length === 0 ? level[0]! : level;
}
