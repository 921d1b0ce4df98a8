import { SecformerError } from '@secformer/ring';
import type { Emitter } from '../compose/emitter.js';
import { gelu, tanh } from '../compose/gelu.js';
import { layerNorm } from '../compose/layer-norm.js';
import { exactSoftmax, quadSoftmax, type Unnormalised } from '../compose/softmax.js';

/** Which protocol stands for which logical operation. */
export interface Suite {
  name: string;
  softmax(e: Emitter, x: number): Unnormalised;
  gelu(e: Emitter, x: number, form: 'erf' | 'tanh'): number;
  tanh(e: Emitter, x: number): number;
  layerNorm(e: Emitter, x: number, epsilon: number): number;
}

/** The constant of 2Quad, as SecFormer and MPCFormer have it. */
export const QUAD_CONSTANT = 5;

const exact: Suite = { name: 'exact', softmax: exactSoftmax, gelu, tanh, layerNorm };
const fast: Suite = { ...exact, name: 'fast', softmax: (e, x) => quadSoftmax(e, x, QUAD_CONSTANT) };

export const suites: Readonly<Record<string, Suite>> = { exact, fast };

export function suiteOf(name: string): Suite {
  const suite = suites[name];
  if (!suite) throw new SecformerError('UNKNOWN_SUITE', `there is no suite '${name}'; choose one of ${Object.keys(suites).join(', ')}`);
  return suite;
}
