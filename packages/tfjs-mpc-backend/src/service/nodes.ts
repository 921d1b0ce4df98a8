/** What the backend asks of the nodes' clients for published models; `@secformer/party-node` has both. */
import type { RunRecord } from '@secformer/party-node';
import type { Graph, NodeRanges, Shape, Watched } from '@secformer/secformer-ops';

/** An input or output of a model, as its caller sees it. */
export interface TensorSpec {
  name: string;
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
}

/** Where an input of a published graph comes from: a tensor of the session, or the client's values or integers. */
export type PublishSlot = { tensor: number } | { value: number } | { indices: number };

/** A model for inputs of certain shapes, as it is handed to the nodes. */
export interface PublishProgram {
  graph: Graph;
  suite: string;
  ranges?: NodeRanges;
  watched: boolean;
  slots: PublishSlot[];
  /** types of what clients share */
  values: { shape: number[]; fracBits: number }[];
  /** outputs of the graph that are decoded and returned, by their places */
  revealed: number[];
  inputs: TensorSpec[];
  outputs: TensorSpec[];
  /** JSON, for clients alone */
  client: unknown;
}

/** How far a publication is. */
export interface PublishProgress {
  phase: string;
  done: number;
  of: number;
}

/** A model that the nodes have. */
export interface Published {
  name: string;
  version: string;
  generation: string;
  programs: { hash: string; rounds: number; bytes: number }[];
}

/** A publisher's session, to which all tensors of the slots have been written. */
export interface PublishingSession {
  publish(
    model: {
      name: string;
      version: string;
      programs: PublishProgram[];
      assets: { name: string; bytes: Uint8Array }[];
      /** the publisher's Ed25519 seed */
      key: Uint8Array;
    },
    onProgress?: (event: PublishProgress) => void,
  ): Promise<Published>;
}

/** An input of a published Program that its clients give. */
export type PublishedInput = { kind: string; value?: number; indices?: number; shape?: number[]; fracBits?: number };

/** What clients need of a manifest. */
export interface Manifest {
  name: string;
  version: string;
  publisher: string;
  suite: string;
  programs: {
    hash: string;
    inputs: TensorSpec[];
    outputs: TensorSpec[];
    bindings: PublishedInput[];
    revealed: { shape: Shape }[];
    /** operations whose digests follow what is revealed */
    checks: unknown[];
    client?: unknown;
    cost: { rounds: number; online: number; dealer: number; instructions: number };
  }[];
  assets: { name: string; bytes: number; sha256: string }[];
}

/** How far an answer is. */
export interface AskProgress {
  phase: 'connecting' | 'waiting' | 'sharing' | 'running' | 'done';
  /** place in the nodes' queue, from 1 */
  place?: number;
  round?: number;
  of?: number;
}

export interface Answered {
  outputs: Float32Array[];
  record: RunRecord;
  /** operations whose values have left the range of their protocol */
  left: Watched[];
}

/** A connection of a client that holds a grant. */
export interface Asking {
  models(): Promise<{ name: string; version: string; publisher: string }[]>;
  manifest(name: string, version?: string): Promise<Manifest>;
  asset(m: Manifest, name: string): Promise<Uint8Array>;
  ask(
    m: Manifest,
    program: number,
    values: Float32Array[],
    indices: Int32Array[],
    options?: { onProgress?: (event: AskProgress) => void },
  ): Promise<Answered>;
  close(): void;
  readonly dead: Error | undefined;
}
