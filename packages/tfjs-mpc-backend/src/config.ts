import type { Calibration } from './calibration.js';
import { checkNames, checkSettings, textOf } from './check-configuration.js';

export type OnRange = 'throw' | 'warn' | 'ignore';

/** Where the nodes are and which protocols to use. Without `parties` the embedded trio runs on this machine. */
export interface Configuration {
  /** ws:// or wss:// URLs of party 0 and party 1 */
  parties?: [string, string];
  /** URL of the dealer */
  dealer?: string;
  /** the nodes' client token: the text of their --client-token-file, or its bytes */
  token?: string | Uint8Array;
  /**
   * 'exact' (default), 'fast' (softmax becomes 2Quad), or the protocols of 'secformer', 'mpcformer', 'puma' or
   * 'crypten'
   */
  suite?: string;
  /** ranges that `calibrate` found for a model */
  calibration?: Calibration;
  /** certificate authority to trust for wss:// in Node, besides Node's own: PEM text, or its bytes */
  ca?: string | Uint8Array;
  /**
   * whether the nodes deal the randomness of a read that repeats ahead, in the background (true if absent); the next
   * read then waits for what is left only, and memory is held for it
   */
  prepareAhead?: boolean;
  /**
   * whether what follows from the caller's own values alone is computed in the caller's process (true if absent):
   * masks,
   * positions, normalised inputs. Products of matrices, convolutions and lookups in tables are the nodes' all the same.
   * false brings every operation to the nodes, to study their protocols
   */
  fold?: boolean;
  /**
   * what a read does where values have left the range that a protocol holds: rejects with RANGE_LEFT ('throw', the
   * default), warns on the console, or never hears of it ('ignore': a percent or two fewer bytes)
   */
  onRange?: OnRange;
  /** longest wait of dataSync, in milliseconds */
  syncTimeoutMs?: number;
}

/** dataSync gives up after this: twice what BERT-large takes on two cores. */
const SYNC_TIMEOUT_MS = 600_000;

/** What holds now: bytes are texts, and what was left out has its default. */
export interface Resolved extends Omit<Configuration, 'token' | 'ca'> {
  token?: string;
  ca?: string;
  /** path of a PEM file, which only Node can read */
  caFile?: string;
  suite: string;
  fold: boolean;
  syncTimeoutMs: number;
}

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

/** Is what follows from the caller's own values computed in the caller's process? Asked at every kernel. */
export function folds(): boolean {
  return chosen.fold ?? true;
}
