import type { Primitive } from '../instruction/primitive.js';
import { bitMultiply, bitValue, oneHot, openBits, planes } from './bits.js';
import { combine, compare } from './compare.js';
import { compareTable } from './compare-table.js';
import { digest } from './digest.js';
import { mulDrop } from './dropped-product.js';
import { footprints } from './footprints.js';
import { concat, layout, pick } from './layout.js';
import { add, affine, constant, cumSum, drop, mulPublic, rowSum, sub } from './linear.js';
import { bucketSums } from './lookup.js';
import { maskedSquare } from './masked-square.js';
import { matMul } from './mat-mul.js';
import { octaveSeries } from './octave-series.js';
import { extend, open } from './open.js';
import { subOpened, unwrap } from './opened.js';
import { outside } from './outside.js';
import { distanceBelow, larger, losses, topBits, winner } from './pairs.js';
import { mul, square } from './product.js';
import { addPublic, matMulPublic, sharePublic, timesPublic } from './public.js';
import { quotient } from './quotient.js';
import { rotate } from './rotate.js';
import { expNegative, trig, trigReal } from './series.js';

/** Every instruction that a Program may hold. */
export const primitives: ReadonlyMap<string, Primitive<never>> = new Map(
  [
    add,
    sub,
    affine,
    drop,
    constant,
    mulPublic,
    matMulPublic,
    timesPublic,
    addPublic,
    sharePublic,
    rowSum,
    cumSum,
    layout,
    pick,
    concat,
    unwrap,
    subOpened,
    open,
    extend,
    matMul,
    bucketSums,
    rotate,
    mul,
    mulDrop,
    square,
    maskedSquare,
    compare,
    compareTable,
    combine,
    quotient,
    topBits,
    losses,
    larger,
    winner,
    distanceBelow,
    outside,
    digest,
    oneHot,
    planes,
    openBits,
    bitValue,
    bitMultiply,
    trig,
    trigReal,
    octaveSeries,
    expNegative,
  ].map((p) => [p.name, { ...p, ...footprints[p.name] } as unknown as Primitive<never>]),
);
