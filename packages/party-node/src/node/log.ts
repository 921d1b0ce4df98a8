import { limits } from '../limits.js';
import type { Log } from '../operation/log.js';

export type { Log };

/** Reasons that are remembered: more kinds of refusals than there are. */
const REASONS = 64;

/**
 * A log that a stranger cannot fill: a refusal that was said less than a minute ago is counted, and its number said
 * with the next one of its kind. Everything else passes.
 */
export function quiet(log: Log, now: () => number = () => performance.now()): Log {
  const said = new Map<string, { at: number; unsaid: number }>();
  return (event, fields) => {
    if (event !== 'refused') {
      log(event, fields);
      return;
    }
    const kind = String(fields?.code);
    const last = said.get(kind);
    if (last && now() - last.at < limits.quietMs) {
      last.unsaid++;
      return;
    }
    said.delete(kind);
    said.set(kind, { at: now(), unsaid: 0 });
    if (said.size > REASONS) said.delete(said.keys().next().value!);
    log(event, last?.unsaid ? { ...fields, more: last.unsaid } : fields);
  };
}
