/**
 * What is known of own values without looking at them: it follows from how they were made and from public numbers, so
 * it may decide what the nodes do.
 */
import { sizeOf } from '@secformer/ring';
import type { Shape } from '@secformer/secformer-ops';
import type { SecretNode, Traits } from './node-values.js';

/** Public numbers of this size are not meant as values. */
export const FAR_FROM = 2 ** 13;
/** Public tensors of more elements are taken to be anything. */
const LOOKED_AT = 2 ** 22;

/** Traits of public values. */
export function traitsOfPublic(values: ArrayLike<number>, shape: Shape): Traits {
  let far = false;
  for (let i = 0; i < values.length && !far; i++) far = !(Math.abs(values[i]!) < FAR_FROM);
  return { far, alike: rows(shape) <= 1 || (values.length <= LOOKED_AT && equalRows(values, shape)), public: true };
}

/** Traits of values of which nothing is public but the shape. */
export function traitsOfWritten(shape: Shape): Traits {
  return { far: false, alike: rows(shape) <= 1, public: false };
}

/** Traits of what a kernel makes of some operands. */
export function traitsOfResult(kernel: string, operands: readonly (Traits & { shape: Shape })[], shape: Shape): Traits {
  const elementwise = ELEMENTWISE.has(kernel) && operands.every((o) => o.alike);
  return { far: operands.some((o) => o.far), alike: rows(shape) <= 1 || elementwise, public: false };
}

/** Traits under another shape of the same elements. */
export function reshapedTraits({ alike, ...rest }: Traits, from: Shape, to: Shape): Traits {
  return { ...rest, alike: rows(to) <= 1 || (alike && from.slice(-2).join() === to.slice(-2).join()) };
}

/** Traits of a node of the recorded graph, which may be deep. */
export function traitsOf(n: SecretNode): Traits {
  const left = [n];
  for (let next = left.at(-1); next; next = left.at(-1)) {
    const missing = next.traits || next.values ? [] : next.inputs.filter((i) => !i.traits);
    if (missing.length > 0) {
      left.push(...missing);
      continue;
    }
    left.pop();
    next.traits ??= made(next);
  }
  return n.traits!;
}

function made(n: SecretNode): Traits {
  if (n.op === 'constant') return traitsOfPublic(n.attr<number[]>('values'), n.shape);
  if (n.values || n.inputs.length === 0) return traitsOfWritten(n.shape);
  const ins = n.inputs.map((i) => ({ ...i.traits!, shape: i.shape }));
  const [x] = ins as [Traits & { shape: Shape }];
  const alone = {
    far: !BOUNDED.has(n.op) && ins.some((i) => i.far),
    alike: rows(n.shape) <= 1,
    public: !n.ownIndices && ins.every((i) => i.public),
  };
  switch (n.op) {
    case 'reshape':
      return reshapedTraits(x, x.shape, n.shape);
    case 'slice':
    case 'broadcast':
      return { ...alone, alike: x.alike || alone.alike };
    case 'transpose':
    case 'view':
    case 'pick':
    case 'concat':
    case 'matMul':
    case 'gather':
    case 'sum':
    case 'mean':
      return alone;
    default:
      return { ...alone, alike: alone.alike || ins.every((i) => i.alike) };
  }
}

/** Operations whose results are small whatever their operands are. */
const BOUNDED: ReadonlySet<string> = new Set([
  'softmax',
  'sigmoid',
  'exp',
  'tanh',
  'erf',
  'sign',
  'relu2',
  'relu4',
  'relu6',
  'less',
  'atMost',
  'equal',
  'oneHotOf',
  'argMax',
  'argMin',
]);

const rows = (shape: Shape) => shape.at(-2) ?? 1;

function equalRows(values: ArrayLike<number>, shape: Shape): boolean {
  const [n, width] = [rows(shape), shape.at(-1) ?? 1];
  const blocks = sizeOf(shape) / Math.max(1, n * width);
  for (let b = 0; b < blocks; b++) {
    const first = b * n * width;
    for (let i = first + width; i < first + n * width; i++) if (values[i] !== values[i - width]) return false;
  }
  return true;
}

/** Kernels that give each element from the elements in its place. */
const ELEMENTWISE = new Set([
  'Add',
  'AddN',
  'Atan2',
  'Cast',
  'ClipByValue',
  'Equal',
  'Greater',
  'GreaterEqual',
  'Less',
  'LessEqual',
  'LogicalAnd',
  'LogicalNot',
  'LogicalOr',
  'LogicalXor',
  'Maximum',
  'Minimum',
  'Multiply',
  'Neg',
  'NotEqual',
  'RealDiv',
  'Select',
  'Sign',
  'Step',
  'Sub',
]);
