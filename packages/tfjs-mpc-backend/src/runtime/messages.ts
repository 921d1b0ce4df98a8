import type { ErrorReport, RunRecord, RunSlot } from '@secformer/party-node';
import type { Graph, NodeRanges, Watched } from '@secformer/secformer-ops';
import type { Resolved } from '../config.js';

/** A tensor to share before a run. */
export interface Write {
  tensor: number;
  values: Float32Array;
  shape: readonly number[];
  fracBits: number;
}

/** What the backend asks of whoever holds the session. */
export interface RunJob {
  graph: Graph;
  slots: RunSlot[];
  revealed: number[];
  kept: { output: number; tensor: number }[];
  suite: string;
  ranges?: NodeRanges;
  watched?: boolean;
}

export type Request =
  | { id: number; kind: 'run'; job: RunJob; configuration: Resolved }
  | { id: number; kind: 'prepare'; job: RunJob; configuration: Resolved }
  | { id: number; kind: 'start'; prepared: number; trace: boolean }
  | { id: number; kind: 'share'; writes: Write[]; configuration: Resolved }
  | { id: 0; kind: 'free'; tensors: number[] };

/** `left` names operations whose values have left the domain of their protocol. */
export type Answer = { outputs: Float32Array[]; record: RunRecord | undefined; setupMs: number; left?: Watched[] };

/** Replies carry the session's number: tensors that were shared in an earlier one are gone. */
export type Reply = { id: number; session: number } & (
  | { answer: Answer }
  | { missing: number[] }
  | { error: ErrorReport & { name?: string } }
);

/** What the session's thread sends: replies, and at last why it failed. */
export type FromSession = Reply | { failed: string };
