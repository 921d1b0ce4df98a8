/**
 * What happens at a node, as its operator's instruments are told: counts, times and names, and nothing of anybody's
 * data. The engine's thread sends them to the thread that holds the connections; that one adds its own.
 */
import type { OperationCost } from '@secformer/secformer-ops';
import type { NodeName } from '../errors.js';
import type { Traffic } from './counted-link.js';

/**
 * Whose run it was: a published model's; with a publisher alone, one that opens weights to be published; with none of
 * these fields a program of an owner's session.
 */
export interface About {
  publisher?: string;
  subject?: string;
  /** `name@version` */
  model?: string;
}

/** A run that is over. */
export interface RunEnded extends About {
  kind: 'run';
  /** 'OK', or the code of what ended it */
  outcome: string;
  /** SHA-256 of the Program, hex */
  program: string;
  /** milliseconds since it was announced, waiting included */
  ms: number;
  /** until it had its turn, 0 where it did not come so far */
  waitMs: number;
  /** of its preparation, 0 where it did not come so far */
  prepareMs: number;
  /** from the client's word to start on, 0 where it did not come so far */
  onlineMs: number;
  /** that this node sends in a whole run, as its Program declares: openings of a party, corrections of the dealer */
  bytes: number;
  /** of the two parties, as its Program declares; the dealer has none */
  rounds: number;
  /** at a party, once it computes: what it has waited for the other one, in milliseconds, and its work by operation */
  peerMs?: number;
  work?: readonly OperationCost[];
}

/** A version of a published model. */
export interface ModelState {
  /** `name@version` */
  model: string;
  publisher?: string;
  /** why it is not served, in words; a version that is has none */
  why?: string;
}

export type NodeEvent =
  | RunEnded
  /** a connection or a command that was not let in; `rule` says by which rule where there is more than the code */
  | { kind: 'refused'; code: string; rule?: string }
  | { kind: 'link'; node: NodeName; state: 'connected' | 'left' }
  | { kind: 'memory'; bytes: number; held: number; reserved: number }
  | { kind: 'queue'; waiting: number; underWay: number }
  /** runs that are prepared before anybody has asked, or are being prepared, and the bytes that they were promised */
  | { kind: 'pool'; runs: number; preparing: number; bytes: number }
  /** published models that this node or another one has */
  | { kind: 'models'; models: readonly ModelState[] }
  /** bytes that crossed data connections since this process began, by the node at the other end */
  | { kind: 'traffic'; nodes: readonly ({ node: NodeName } & Traffic)[] }
  | { kind: 'draining' };

/** What the engine says of itself when it is asked: an event of each kind that is a state. */
export type EngineState = readonly Extract<NodeEvent, { kind: 'memory' | 'queue' | 'pool' | 'models' | 'traffic' }>[];

/** Lines of the log that are events too. */
export function eventOf(event: string, fields: Record<string, unknown> = {}): NodeEvent | undefined {
  switch (event) {
    case 'refused':
      return { kind: 'refused', code: String(fields.code) };
    case 'connected':
    case 'left':
      return { kind: 'link', node: fields.node as NodeName, state: event };
    case 'draining':
      return { kind: 'draining' };
    default:
      return undefined;
  }
}
