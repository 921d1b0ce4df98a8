import type { Primitive } from '../program/primitive.js';
import { bitMultiply, bitValue, oneHot, openBits, planes } from './bits.js';
import { combine, compare } from './compare.js';
import { add, affine, center, concat, constant, drop, layout, mulPublic, rowSum, sub, subOpened, unwrap } from './linear.js';
import { extend, open } from './open.js';
import { matMul, moments, mul, square } from './product.js';
import { expNegative, trig } from './series.js';

/** Every instruction that a Program may hold. */
export const primitives: ReadonlyMap<string, Primitive<never>> = new Map(
  [
    add,
    sub,
    affine,
    drop,
    constant,
    mulPublic,
    rowSum,
    layout,
    concat,
    unwrap,
    subOpened,
    center,
    open,
    extend,
    matMul,
    mul,
    square,
    moments,
    compare,
    combine,
    oneHot,
    planes,
    openBits,
    bitValue,
    bitMultiply,
    trig,
    expNegative,
  ].map((p) => [p.name, p as unknown as Primitive<never>]),
);
