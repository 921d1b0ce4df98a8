/** An answer in a table. */
import type { Answer } from '@secformer/bert-loader';

/** Numbers that are shown of a vector. */
const SHOWN = 8;

/** An answer's cells. */
export function cellsOf(answer: Answer): (string | { number: string })[] {
  if ('label' in answer) return [answer.label, { number: answer.probability.toFixed(4) }];
  const { shape, values } = answer;
  const shown = values.slice(0, SHOWN).map((v) => v.toFixed(4));
  return [`[${shape}]`, `${shown.join(' ')}${values.length > SHOWN ? ' …' : ''}`];
}
