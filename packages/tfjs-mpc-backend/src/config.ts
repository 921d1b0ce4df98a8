import { SecformerError } from '@secformer/ring';
import { suiteOf } from '@secformer/secformer-ops';
import { type Calibration, checkCalibration } from './calibration.js';

/** Where the nodes are and which protocols to use. Without `parties` the embedded trio runs on this machine. */
export interface Configuration {
  /** ws:// or wss:// URLs of party 0 and party 1 */
  parties?: [string, string];
  /** URL of the dealer */
  dealer?: string;
  /** the nodes' client token: the text of their --client-token-file */
  token?: string;
  /** 'exact' (default), 'fast' (softmax becomes 2Quad), or the protocols of 'secformer', 'mpcformer', 'puma' or 'crypten' */
  suite?: string;
  /** ranges that `calibrate` found for a model */
  calibration?: Calibration;
  /** certificate authority (PEM text) to trust for wss:// in Node */
  ca?: string;
  /** whether the nodes deal the randomness of a read that repeats ahead, in the background (true if absent); the next read then waits for what is left only, and memory is held for it */
  prepareAhead?: boolean;
  /** longest wait of dataSync, in milliseconds */
  syncTimeoutMs?: number;
}

/** dataSync gives up after this: twice what BERT-large takes on two cores. */
const SYNC_TIMEOUT_MS = 600_000;

export type Resolved = Configuration & { suite: string; syncTimeoutMs: number };

let chosen: Configuration = {};
const listeners = new Set<() => void>();

/**
 * Sets where the backend computes; call it before `tf.setBackend('secformer')`. Later calls take effect with the next session.
 * @throws SecformerError where parties, dealer and token are not given together
 */
export function configure(configuration: Configuration): void {
  check({ ...configuration });
  if (configuration.calibration) checkCalibration(configuration.calibration);
  chosen = { ...configuration };
  for (const l of listeners) l();
}

export function onConfigure(listener: () => void): void {
  listeners.add(listener);
}

function fromEnvironment(): Configuration {
  const env = typeof process === 'undefined' ? {} : (process.env ?? {});
  const parties = env.SECFORMER_PARTIES?.split(',').map((s) => s.trim());
  return {
    ...(parties && { parties: parties as [string, string] }),
    ...(env.SECFORMER_DEALER && { dealer: env.SECFORMER_DEALER }),
    ...(env.SECFORMER_TOKEN && { token: env.SECFORMER_TOKEN }),
    ...(env.SECFORMER_SUITE && { suite: env.SECFORMER_SUITE }),
  };
}

function check(c: Configuration): void {
  const bad = (what: string) => new SecformerError('BAD_CONFIGURATION', what);
  if (c.parties !== undefined && (!Array.isArray(c.parties) || c.parties.length !== 2)) throw bad(`parties: expected two URLs, got ${JSON.stringify(c.parties)}`);
  const given = [c.parties, c.dealer, c.token].filter((v) => v !== undefined).length;
  if (given !== 0 && given !== 3) throw bad('real nodes need parties: [url0, url1], dealer: url and token together; leave all three out for the embedded trio');
  suiteOf(c.suite ?? 'exact');
}

/** What `configure` was given, else the SECFORMER_* variables. */
export function configuration(): Resolved {
  const merged = { ...fromEnvironment(), ...chosen };
  check(merged);
  return { ...merged, suite: merged.suite ?? 'exact', syncTimeoutMs: merged.syncTimeoutMs ?? SYNC_TIMEOUT_MS };
}
