/** What the page and its worker say to one another. */

/** One of the three servers. */
export type Role = 'party0' | 'party1' | 'dealer';

export const ROLES: readonly Role[] = ['party0', 'party1', 'dealer'];

/** By what a model is reached. */
export interface Connection {
  /** the network file's content */
  network: unknown;
  /** 'ed25519-secret:…', never shown */
  key: string;
  grant?: string;
  /** NAME or NAME@VERSION */
  model: string;
}

/** What is known of a model before it is asked. */
export interface ModelFacts {
  name: string;
  version: string;
  gives: 'classes' | 'vector';
  /** tokens that it takes, ascending */
  lengths: readonly number[];
}

/** What became of a question. */
export type Verdict =
  | { kind: 'label'; label: string; probability: number; scores: { label: string; probability: number }[] }
  /** the cosine of two texts' embeddings */
  | { kind: 'similarity'; cosine: number };

/** What it took. */
export interface Cost {
  ms: number;
  rounds: number;
  /** bytes between the two parties, both ways, and from the dealer */
  between: number;
  dealt: number;
}

export interface Answered {
  verdict: Verdict;
  cost: Cost;
  truncated: boolean;
}

export type Request =
  | { id: number; kind: 'load'; connection: Connection }
  /** one text for classes, two for a similarity */
  | { id: number; kind: 'ask'; texts: readonly string[]; question: number };

/** What is reported of an error. */
export interface Failed {
  code: string;
  message: string;
  retryAfterMs?: number;
}

/** How far a request is. */
export interface Progress {
  phase: 'connecting' | 'loading' | 'sharing' | 'waiting' | 'running' | 'done';
  /** of 'waiting': place in the queue */
  place?: number;
}

/** A message that left this page, as far as it has left. */
export interface Sent {
  server: Role;
  /** number of the question; 0 before the first */
  question: number;
  /** unique among the messages of a question */
  key: string;
  /** what the protocol calls it */
  name: string;
  /** its header: JSON, which the server reads */
  header: string;
  /** bytes of it that have left, headers included */
  bytes: number;
  /** bytes of shares and masked values in it, altogether */
  dataBytes: number;
  /** the first of those */
  data: Uint8Array;
}

/** The inputs of a run as they would be sent if nothing were shared. */
export interface Plain {
  ids: Int32Array;
  mask: Int32Array;
}

export type Reply =
  | { kind: 'loaded'; id: number; model: ModelFacts }
  | { kind: 'answered'; id: number; answered: Answered }
  | { kind: 'failed'; id: number; failed: Failed }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'sent'; sent: Sent }
  | { kind: 'plain'; plain: Plain };
