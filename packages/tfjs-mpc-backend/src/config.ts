import { isReplaced, OPERAND_FORMATS, type OperandFormat } from '@secformer/secformer-ops';
import { checkNames, checkSettings, textOf } from './check-configuration.js';
import type { Configuration, Resolved } from './configuration.js';
import { SYNC_TIMEOUT_MS } from './limits.js';

export type { Configuration, OnRange, Resolved } from './configuration.js';

/** The environment variable of each setting that has one. */
const VARIABLES = {
  parties: 'SECFORMER_PARTIES',
  dealer: 'SECFORMER_DEALER',
  token: 'SECFORMER_TOKEN',
  suite: 'SECFORMER_SUITE',
} as const;
const CA_VARIABLE = 'SECFORMER_CA';

let chosen: Configuration = {};

/**
 * Sets where the backend computes; call it before `tf.setBackend('secformer')`. Later calls take effect with the next
 * session. What is left out comes from the SECFORMER_* environment variables, if they are set.
 * @throws TypeError where it is given no object
 * @throws SecformerError for an unknown setting, one of a wrong type or value, or where parties, dealer and token are
 * not there together
 *
 * @example
 * ```js
 * configure({ parties: ['wss://a.example', 'wss://b.example'], dealer: 'wss://c.example', token });
 * await tf.setBackend('secformer');
 * ```
 */
export function configure(configuration: Configuration): void {
  checkNames(configuration);
  const given = Object.fromEntries(
    Object.entries(configuration).filter(([, value]) => value !== undefined),
  ) as Configuration;
  merged(given);
  const { parties, token, ca } = given;
  // Copied, and bytes decoded now: what the caller does to them later changes nothing
  chosen = {
    ...given,
    ...(parties && { parties: [...parties] }),
    ...(token && { token: textOf(token)! }),
    ...(ca && { ca: textOf(ca)! }),
  };
}

function environment(): Record<string, string | undefined> {
  return typeof process === 'undefined' ? {} : (process.env ?? {});
}

function fromEnvironment(): Configuration {
  const env = environment();
  const settings: Record<string, string> = {};
  // A variable that is set to nothing is one that is not set
  for (const [key, variable] of Object.entries(VARIABLES)) if (env[variable]) settings[key] = env[variable];
  const { parties, ...rest } = settings;
  return { ...rest, ...(parties && { parties: parties.split(',').map((s) => s.trim()) as [string, string] }) };
}

/** Settings over the environment's, checked as the whole that they make. */
function merged(given: Configuration): Configuration {
  const all = { ...fromEnvironment(), ...given };
  checkSettings(all, (key) => (key in given || !(key in VARIABLES) ? key : VARIABLES[key as keyof typeof VARIABLES]));
  return all;
}

/** What `configure` was given, else the SECFORMER_* variables. */
export function configuration(): Resolved {
  const { token, ca, suite = 'exact', fold = true, syncTimeoutMs = SYNC_TIMEOUT_MS, ...rest } = merged(chosen);
  const caFile = environment()[CA_VARIABLE];
  return {
    ...rest,
    suite,
    fold,
    syncTimeoutMs,
    ...(token !== undefined && { token: textOf(token)! }),
    ...(ca !== undefined ? { ca: textOf(ca)! } : caFile && { caFile }),
  };
}

/** What matrix products take. */
export function operandFormat(): OperandFormat {
  return OPERAND_FORMATS[configuration().operandBits ?? 16];
}

/** Is what follows from the caller's own values computed in the caller's process? Asked at every kernel. */
export function folds(): boolean {
  return (chosen.fold ?? true) && foldsIn(chosen.suite ?? (environment()[VARIABLES.suite] || 'exact'));
}

/**
 * GeLU is recognised by the arithmetic that it is written with: in a suite with another function in its place no
 * kernel is computed here, for whether something was read before must not change which function it is.
 */
function foldsIn(suite: string): boolean {
  return !isReplaced(suite, 'gelu');
}
