import { SecformerError } from '@secformer/ring';
import type { Graph, NodeRanges } from '@secformer/secformer-ops';

/** What calibration has seen of each graph that a model records, by the graph's fingerprint. Plain JSON: keep it beside the model. */
export interface Calibration {
  version: 1;
  graphs: Record<string, NodeRanges>;
}

/** 52 bits of FNV-1a: calibrations are looked up by it, nothing rests on it. */
export function fingerprint(graph: Graph): string {
  const text = JSON.stringify(graph.nodes);
  let [a, b] = [0x811c9dc5, 0x1b873593];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(i), 0x85ebca6b);
  }
  return `${graph.nodes.length}-${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

/** The ranges of a graph, if a calibration has met it. */
export function rangesOf(calibration: Calibration | undefined, graph: Graph): NodeRanges | undefined {
  return calibration?.graphs[fingerprint(graph)];
}

export function checkCalibration(c: Calibration): void {
  const bad = (what: string) => new SecformerError('BAD_CONFIGURATION', `calibration: ${what}; expected what calibrate() returned`);
  if (c?.version !== 1 || typeof c.graphs !== 'object' || c.graphs === null) throw bad(`version ${JSON.stringify(c?.version)}`);
  for (const ranges of Object.values(c.graphs)) {
    const ok = Array.isArray(ranges) && ranges.every((r) => Array.isArray(r) && r.length === 2 && r.every(Number.isFinite) && r[0]! <= r[1]!);
    if (!ok) throw bad('a range is not a pair of finite numbers');
  }
}
