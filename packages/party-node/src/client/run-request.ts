/** What a client asks of a run, and what it is told of it. */
import type { Graph, NodeRanges, TraceEvent, Watched } from '@secformer/secformer-ops';
import type { NodeName } from '../errors.js';

/**
 * An input of a run: a tensor of the session, or indices that stay with the client and reach the parties as a masked
 * one-hot matrix.
 */
export type RunSlot = { tensor: number } | { indices: Int32Array };

export interface RunRequest {
  graph: Graph;
  slots: RunSlot[];
  /** outputs that are decoded and returned */
  revealed: number[];
  /** outputs that stay at the nodes, and the tensor ids they get */
  kept: { output: number; tensor: number }[];
  suite: string;
  /** what calibration has seen of the graph's nodes */
  ranges?: NodeRanges;
  /** whether the result tells which operations' values have left the domain of their protocol */
  watched?: boolean;
}

/** What a run took, as interfaces.md names it. Milliseconds are those of the client's clock unless a node is named. */
export interface RunRecord {
  /** what the read waited for before it started: next to nothing where its randomness was there */
  prepareMs: number;
  onlineMs: number;
  rounds: number;
  /** between the parties, from the dealer, headers, and what the client sends to each party */
  bytes: { p0p1: number; p1p0: number; dealer: number; overhead: number; inputs: number };
  perOp: { op: string; ms: number; bytes: number; rounds: number }[];
  waitMs: number;
  memory: { party0: number; party1: number; dealer: number };
  /** how both parties' time went, if it was asked for */
  traces?: { node: NodeName; events: TraceEvent[] }[];
}

export interface RunResult {
  outputs: Float32Array[];
  record: RunRecord;
  /**
   * operations whose values have left the domain of their protocol, of a run that is watched: what comes of them is
   * wrong
   */
  left: Watched[];
}

/** A run whose randomness is dealt, as far as the parties had room for it; the rest is dealt while it runs. */
export interface Prepared {
  run(options?: { trace?: boolean }): Promise<RunResult>;
  /** gives the randomness up */
  cancel(): void;
}

/** The tensor that a slot of a request is. */
export function tensorOf(request: RunRequest, slot: number): number {
  return (request.slots[slot] as { tensor: number }).tensor;
}

/** The tensor that a graph output stays as. */
export function keptAs(request: RunRequest, output: number): number {
  return request.kept.find((k) => k.output === output)!.tensor;
}
