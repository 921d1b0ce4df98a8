/** The keys of a config.json about attention's function, and those that older folders have in their place. */
import {
  ATTENTION_FUNCTIONS,
  ATTENTION_POWERS,
  type AttentionFunction,
  type AttentionSettings,
  USUAL_CONSTANT,
} from './attention-weights.js';
import type { ConfigReader } from './config-reader.js';

/** One of several words or numbers. @throws ModelFileError listing them */
export function choice<T extends string | number>(
  json: ConfigReader,
  key: string,
  known: readonly T[],
  otherwise: T,
): T {
  const value = json.raw(key) ?? otherwise;
  if (known.includes(value as T)) return value as T;
  const shown = (v: unknown) => (typeof v === 'string' ? `'${v}'` : String(v));
  const last = known.length - 1;
  const list = `${known.slice(0, last).map(shown).join(', ')} and ${shown(known[last])}`;
  return json.refuse(`${key} ${shown(value)} is not understood; ${list} are`);
}

/** A key, or an older name of it; both only where they say the same. */
function named(json: ConfigReader, key: string, older: string): string {
  const [value, before] = [json.raw(key), json.raw(older)];
  const both = value !== undefined && value !== null && before !== undefined && before !== null;
  if (both && value !== before) json.refuse(`${key} and ${older}, its older name, are not the same; leave one out`);
  return value === undefined || value === null ? older : key;
}

function functionOf(json: ConfigReader): AttentionFunction {
  const key = named(json, 'attention_function', 'softmax');
  return choice(json, key, ATTENTION_FUNCTIONS, 'softmax');
}

/** Is a number neither infinite nor 0 in single precision, in which it is computed with? */
const isSingle = (value: number): boolean => Number.isFinite(Math.fround(value)) && Math.fround(value) !== 0;

/** @throws ModelFileError naming the key */
export function attentionOf(json: ConfigReader): AttentionSettings {
  const by = functionOf(json);
  const divisor = json.raw('attention_divisor') ?? 'tokens';
  if (divisor !== 'tokens' && !(typeof divisor === 'number' && Number.isFinite(divisor) && divisor > 0))
    json.refuse("attention_divisor is neither a number above 0 nor 'tokens'");
  if (typeof divisor === 'number' && (!isSingle(divisor) || !isSingle(1 / divisor)))
    json.refuse(`attention_divisor ${divisor}, or its inverse, is beyond a 32-bit float`);
  const key = named(json, 'attention_constant', 'softmax_constant');
  const constant = json.number(key, USUAL_CONSTANT[by]);
  if (!Number.isFinite(Math.fround(constant))) json.refuse(`${key} ${constant} is beyond a 32-bit float`);
  return {
    function: by,
    constant,
    power: choice(json, 'attention_power', ATTENTION_POWERS, 2),
    divisor: divisor as number | 'tokens',
  };
}
