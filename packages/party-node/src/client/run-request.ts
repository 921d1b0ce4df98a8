/// <reference lib="esnext.disposable" preserve="true" />
/** What a client asks for in a run, and what it gets back. */
import type { Graph, NodeRanges, TraceEvent, Watched } from '@secformer/secformer-ops';
import type { NodeName } from '../errors.js';
import type { Abortable } from './abortable.js';
import type { OnProgress } from './run-progress.js';

/**
 * An input of a run: a tensor of the session, or indices that stay with the client and reach the parties as a masked
 * one-hot matrix.
 */
export type RunSlot = { tensor: number } | { indices: Int32Array };

/** A graph to be run, and what becomes of its outputs. `slots` are its 'input' nodes, in order. */
export interface RunRequest {
  graph: Graph;
  slots: RunSlot[];
  /** outputs that are decoded and returned */
  revealed: number[];
  /** outputs that stay at the nodes, and the tensor ids they get */
  kept: { output: number; tensor: number }[];
  suite: string;
  /** value ranges of the graph's nodes, as calibration measured them */
  ranges?: NodeRanges;
  /** whether the result tells which operations' values have left the domain of their protocol */
  watched?: boolean;
}

/** What a run cost. Milliseconds are by the client's clock unless a node is named. */
export interface RunRecord {
  /** wait before the run could start: close to zero if its randomness was dealt ahead */
  prepareMs: number;
  onlineMs: number;
  rounds: number;
  /** between the parties, from the dealer, headers, and what the client sends to each party */
  bytes: { p0p1: number; p1p0: number; dealer: number; overhead: number; inputs: number };
  perOp: { op: string; ms: number; bytes: number; rounds: number }[];
  waitMs: number;
  /** of each party beside computing: processor time of its process in the system's name, and V8's collector */
  spent: Record<'party0' | 'party1', { systemMs: number; collectorMs: number }>;
  memory: { party0: number; party1: number; dealer: number };
  /** timelines of both parties, if they were asked for */
  traces?: { node: NodeName; events: TraceEvent[] }[];
}

/** What a run gives the client: the revealed outputs, in the order of `revealed`, as reals in row-major order. */
export interface RunResult {
  outputs: Float32Array[];
  record: RunRecord;
  /**
   * for a watched run: operations whose values have left the domain of their protocol, so that results that depend on
   * them are wrong
   */
  left: Watched[];
}

/** How a run is waited for. */
export interface RunOptions extends Abortable {
  /** hears how far it is */
  onProgress?: OnProgress | undefined;
}

/**
 * A run whose randomness is dealt, as far as the parties had room for it; the rest is dealt while it runs. At the end
 * of a block with `using` it is discarded, unless it was run.
 */
export interface Prepared extends Disposable, AsyncDisposable {
  /**
   * Runs it, once. Given up by its signal, it is over at the nodes too, and another has to be prepared.
   * @param options `trace` asks both parties how their time went, for `record.traces`; `onProgress` hears how far it is
   * @throws NodeError naming the node that failed, and why; the signal's reason
   */
  run(options?: RunOptions & { trace?: boolean }): Promise<RunResult>;
  /** discards the randomness */
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
