import type { ErrorReport, RunProgress, RunRecord, RunSlot } from '@secformer/party-node';
import type { Forms, Graph, NodeRanges, Watched } from '@secformer/secformer-ops';
import type { Resolved } from '../config.js';
import type { ChosenNetwork } from './chosen-network.js';
import type { ServiceOptions } from './network.js';

/** A tensor to share before a run. */
export interface Write {
  tensor: number;
  values: Float32Array;
  shape: readonly number[];
  fracBits: number;
  /** as a share, where it is not said */
  forms?: Forms;
  /** a public one, which both parties are given as it is, at a scale that follows from its values */
  known?: boolean;
}

/** What planning has to know of a tensor that is not shared yet. */
export interface Fresh {
  tensor: number;
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

/** By what a client may ask a published model. */
export type AskAccess = Pick<ServiceOptions, 'network' | 'key' | 'grant' | 'ca'>;

/** What a client asks of the nodes. */
export type AskCall =
  | { what: 'manifest'; name: string; version?: string }
  | { what: 'asset'; model: { name: string; version: string }; name: string }
  | {
      what: 'ask';
      model: { name: string; version: string };
      program: number;
      values: Float32Array[];
      indices: Int32Array[];
    }
  | { what: 'close' };

export type Request =
  | { id: number; kind: 'run'; job: RunJob; configuration: Resolved }
  | { id: number; kind: 'prepare'; job: RunJob; configuration: Resolved }
  | { id: number; kind: 'asking'; access: AskAccess; call: AskCall }
  | { id: number; kind: 'start'; prepared: number; trace: boolean }
  /** in which forms tensors are best shared that a job takes and nobody has yet */
  | { id: number; kind: 'forms'; job: RunJob; fresh: Fresh[]; configuration: Resolved }
  | { id: number; kind: 'share'; writes: Write[]; configuration: Resolved }
  | { id: 0; kind: 'free'; tensors: number[] }
  | { id: 0; kind: 'discard'; prepared: number };

/** `left` names operations whose values have left the domain of their protocol. */
export type Answer = {
  outputs: Float32Array[];
  record: RunRecord | undefined;
  setupMs: number;
  left?: Watched[];
  /** of tensors, by number */
  forms?: [number, Forms][];
  /** what the run was planned for */
  network?: ChosenNetwork;
  /** what was asked of a published model */
  published?: unknown;
};

/** Replies carry the session's number: tensors that were shared in an earlier one are gone. */
export type Reply = { id: number; session: number } & (
  | { answer: Answer }
  | { missing: number[] }
  | { error: ErrorReport & { name?: string } }
);

/** What comes to the session's thread: requests, and the numbers of those that are given up. */
export type ToSession =
  | {
      request: Request;
      /** set and notified when the reply is there, for a thread that waits */
      flag: Int32Array | undefined;
      /** whether somebody hears how far the request is */
      heard: boolean;
    }
  | { giveUp: number };

/** What is said where a reply came that nobody waits for any more: what was prepared is discarded. */
export function unheard({ kind }: Request, reply: Reply): Request | undefined {
  if (kind !== 'prepare' || !('answer' in reply)) return undefined;
  return { id: 0, kind: 'discard', prepared: reply.answer.outputs[0]![0]! };
}

/** What the session's thread sends: replies, how far requests are, and at last why it failed. */
export type FromSession = Reply | { progress: RunProgress; id: number } | { failed: string };
