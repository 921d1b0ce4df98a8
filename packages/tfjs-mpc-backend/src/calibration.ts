import { SecformerError } from '@secformer/ring';
import type { Graph, NodeRanges } from '@secformer/secformer-ops';

/**
 * The range of every operation that a model records, by the operation's fingerprint. Plain JSON: keep it beside the
 * model.
 */
export interface Calibration {
  version: 1;
  ranges: Record<string, [number, number]>;
}

/** 64 bits of FNV-1a, twice: ranges are looked up by it, nothing rests on it. */
function hash(text: string): string {
  let [a, b] = [0x811c9dc5, 0x1b873593];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(i), 0x85ebca6b);
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
}

/**
 * A fingerprint for every node: its operation, its shape, and what it is computed from, whatever else the graph holds.
 */
export function fingerprints({ nodes }: Graph): string[] {
  const keys: string[] = [];
  // In how many rounds a softmax is taken changes nothing of its range
  for (const n of nodes) keys.push(hash(JSON.stringify({ ...n, in: n.in.map((i) => keys[i]), fewRounds: undefined })));
  return keys;
}

/** What a calibration knows of a graph's nodes. */
export function rangesOf(calibration: Calibration | undefined, graph: Graph): NodeRanges | undefined {
  return calibration && fingerprints(graph).map((k) => calibration.ranges[k] ?? null);
}

export function checkCalibration(c: Calibration): void {
  const bad = (what: string) =>
    new SecformerError('BAD_CONFIGURATION', `calibration: ${what}; expected what calibrate() returned`);
  if (c?.version !== 1 || typeof c.ranges !== 'object' || c.ranges === null)
    throw bad(`version ${JSON.stringify(c?.version)}`);
  for (const range of Object.values(c.ranges)) {
    if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite) || range[0] > range[1])
      throw bad('a range is not a pair of finite numbers');
  }
}
