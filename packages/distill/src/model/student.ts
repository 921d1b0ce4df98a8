/** Students: a teacher's checkpoint with attention or norms that cost less on secret shares. */
import {
  ATTENTION_FUNCTIONS,
  ATTENTION_POWERS,
  type AttentionFunction,
  USUAL_CONSTANT,
} from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';
import type { Draft } from './draft.js';

/** What a student does otherwise than its teacher; all of it is optional. */
export interface StudentSettings {
  /** 'softmax', if absent: the teacher's attention */
  attention?: AttentionFunction;
  /** p of `power`; 2 */
  power?: 1 | 2 | 4;
  /** what `power` divides by; 'tokens' */
  divisor?: number | 'tokens';
  /** what each head's constant begins as; see `USUAL_CONSTANT`, and 0 of relu(s) */
  constant?: number;
  /** 'standard', if absent */
  layerNorm?: 'standard' | 'affine';
}

const refuse = (message: string): never => {
  throw new DistillError('BAD_TRAINING', message);
};

/** @throws DistillError BAD_TRAINING naming the setting */
export function checkStudent({ attention, power, divisor, constant, layerNorm }: StudentSettings): void {
  if (attention !== undefined && !ATTENTION_FUNCTIONS.includes(attention))
    refuse(`student is '${attention}'; ${ATTENTION_FUNCTIONS.join(', ')} are known`);
  if (power !== undefined && !ATTENTION_POWERS.includes(power))
    refuse(`power is ${power}; ${ATTENTION_POWERS.join(', ')} are known`);
  if (divisor !== undefined && divisor !== 'tokens' && !(Number.isFinite(divisor) && divisor > 0))
    refuse(`divisor is ${divisor}; expected a number above 0, or 'tokens'`);
  if (constant !== undefined && !Number.isFinite(constant)) refuse(`constant is ${constant}; expected a number`);
  if (layerNorm !== undefined && layerNorm !== 'standard' && layerNorm !== 'affine')
    refuse(`layer norm is '${layerNorm}'; standard and affine are known`);
}

/** The tensor of a layer's constants, one a head. */
export function constantsName(draft: Draft, layer: number): string {
  return `${draft.layer(layer)}attention.self.constant`;
}

/** How the model of a config.json weighs, by the key's older name too. */
export function attentionOf(config: Record<string, unknown>): AttentionFunction {
  return (config.attention_function ?? config.softmax ?? 'softmax') as AttentionFunction;
}

/**
 * A student with its teacher's weights. Its norms are the teacher's still: `calibrate` makes them affine.
 * @throws DistillError BAD_TRAINING where a setting is none, or the teacher is a student itself
 */
export function studentOf(teacher: Draft, settings: StudentSettings): Draft {
  checkStudent(settings);
  const { attention = 'softmax', power = 2, divisor = 'tokens', layerNorm = 'standard' } = settings;
  const theirs = attentionOf(teacher.config);
  if (theirs !== 'softmax' && theirs !== attention)
    refuse(`the teacher's attention is '${theirs}' already; a teacher has softmax, or what its student has`);
  if (teacher.config.layer_norm === 'affine' && layerNorm !== 'affine')
    refuse("the teacher's norms are affine already; its student's are then too");
  const { softmax: _, softmax_constant: older, ...config } = teacher.config;
  const tensors = new Map(teacher.tensors);
  const before = teacher.config.attention_constant ?? older;
  const usual = attention === 'power' && power === 1 ? 0 : USUAL_CONSTANT[attention];
  const constant = settings.constant ?? (theirs === attention && typeof before === 'number' ? before : usual);
  if (attention !== 'softmax') {
    for (let i = 0; i < teacher.layers; i++) {
      const name = constantsName(teacher, i);
      if (theirs === attention && tensors.has(name)) continue;
      tensors.set(name, { shape: [teacher.heads], values: new Float32Array(teacher.heads).fill(constant) });
    }
  }
  return teacher.with(
    {
      ...config,
      ...(attention !== 'softmax' && { attention_function: attention, attention_constant: constant }),
      ...(attention === 'power' && { attention_power: power, attention_divisor: divisor }),
      ...(layerNorm === 'affine' && { layer_norm: 'affine' }),
    },
    tensors,
  );
}
