import type { BertConfig } from '@secformer/bert-loader';

interface Share {
  /** bytes that one party sends for each element of what the operation works on */
  bytes: number;
  /** rounds of each time it occurs */
  rounds: number;
  elements(c: Shape): number;
  times(c: Shape): number;
}

type Shape = Pick<BertConfig, 'layers' | 'hidden' | 'heads' | 'intermediate'> & { seq: number; batch: number };

const tokens = (c: Shape) => c.seq * c.batch;
const scores = (c: Shape) => c.layers * c.heads * c.batch * c.seq ** 2;

/**
 * What a model of these protocols with every reduction that is known says a BERT could do with: narrow openings of
 * 12-bit operands, tables in the place of octaves, tournaments that open nothing at their first level. GeLU's includes
 * the opening of its result as an operand, which is counted with the matrix products when measured.
 */
const MODEL: Readonly<Record<string, Share>> = {
  matMul: { bytes: 25, rounds: 4, elements: (c) => c.layers * tokens(c) * c.hidden, times: (c) => c.layers },
  gelu: { bytes: 8.75, rounds: 5, elements: (c) => c.layers * tokens(c) * c.intermediate, times: (c) => c.layers },
  layerNorm: {
    bytes: 9.07,
    rounds: 7,
    elements: (c) => (2 * c.layers + 1) * tokens(c) * c.hidden,
    times: (c) => 2 * c.layers + 1,
  },
  softmax: { bytes: 11.1, rounds: 31, elements: scores, times: (c) => c.layers },
  quad: { bytes: 9.3, rounds: 7, elements: scores, times: (c) => c.layers },
};

/** Bytes that one party sends and rounds of an operation in the model, if it is one of a BERT's. */
export function budgetOf(op: string, shape: Shape): { bytes: number; rounds: number } | undefined {
  const m = MODEL[op];
  return m && { bytes: m.bytes * m.elements(shape), rounds: m.rounds * m.times(shape) };
}
