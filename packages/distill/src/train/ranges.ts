/** Whether a student's attention stays in the ranges that protocols hold. */
import { HELD, HELD_OF_FIRST_POWER } from '../limits.js';
import { attentionOf } from '../model/student.js';
import type { RunRecord } from './record.js';

/**
 * The layers of the model that is kept whose arguments of attention's function, among the development set's, are
 * beyond what protocols hold; a line each, empty where all are held.
 */
export function rangesLeft({ best, evaluations, settings }: RunRecord): string[] {
  const config = (settings.model ?? {}) as Record<string, unknown>;
  const by = attentionOf(config);
  const bound = by === 'power' && config.attention_power === 1 ? HELD_OF_FIRST_POWER : HELD[by];
  const kept = evaluations.find(({ step }) => step === best?.step);
  return (kept?.arguments ?? []).flatMap(([least, most], layer) => {
    const reached = by === '2quad' ? Math.max(most, -least) : most;
    if (reached <= bound) return [];
    return (
      `layer ${layer + 1}: arguments of ${by} up to ${reached.toPrecision(3)} in the development set, where ` +
      `protocols hold ${bound}: private answers to such texts are refused; lower --cap, or raise --cap-weight`
    );
  });
}
