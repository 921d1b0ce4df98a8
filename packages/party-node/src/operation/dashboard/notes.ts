import { limits } from '../../limits.js';
import { shownCode, shownName } from './shown.js';

/** A trouble that the node's log tells of. */
export interface Note {
  /** milliseconds since 1970 */
  time: number;
  /** the log's event */
  event: string;
  code?: string;
  /** whose failure it was, or who left */
  node?: string;
}

/** Lines of the log that an operator looks for when something is wrong. */
const TROUBLES = new Set(['aborted', 'failed', 'listener', 'model', 'not reloaded', 'run-log', 'unreachable']);
const NODES = new Set(['party 0', 'party 1', 'dealer', 'client']);

/** The last troubles: what kind, when and whose, without their texts, which are in the log. */
export class Notes {
  readonly #notes: Note[] = [];

  line(event: string, fields: Record<string, unknown> = {}, now = Date.now()): void {
    const { node, code } = fields;
    const peerLeft = event === 'left' && node !== 'client';
    // A model that was loaded is none
    if (!(TROUBLES.has(event) || peerLeft) || (event === 'model' && fields.why === undefined)) return;
    this.#notes.push({
      time: now,
      event,
      ...(typeof code === 'string' && { code: shownCode(code) }),
      ...(typeof node === 'string' && { node: NODES.has(node) ? node : shownName(node) }),
    });
    if (this.#notes.length > limits.dashboardNotes) this.#notes.shift();
  }

  /** Oldest first. */
  get all(): readonly Note[] {
    return this.#notes;
  }
}
