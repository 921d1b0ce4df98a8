import { WIRE_VERSION } from '../../src/limits.js';
import type { Link } from '../../src/wire/link.js';
import { HEAD, headerOf, withHeader } from '../attacks/mutations.js';
import type { Line } from './plan.js';

/** What came of frames that were said. */
export interface Heard {
  /** changed frames that the node's engine has read, as far as this end can know, and others */
  changed: number;
  plain: number;
  /** frames that were sent to a link about to be ended by one before them */
  unheard: number;
  /** messages of the nodes, by kind */
  answers: Record<string, number>;
  /** requests that the nodes have carried out, by kind */
  carriedOut: Record<string, number>;
  /** links that the node ended, by reason */
  ended: Record<string, number>;
}

/** A client asks after so many frames whether it is still heard, and waits for the answer so long. */
const BATCH = 8;
const BATCH_MS = 2_000;
/** Numbers of those questions, which nothing else has. */
const FIRST_QUESTION = 2 ** 40;

/** Says lines over a link that is proven. */
export class Saying {
  readonly #link: Link;
  readonly #heard: Heard;
  readonly #aborted: Set<unknown>;
  readonly #prepared = new Set<unknown>();
  readonly #answerMs: number;
  /** kinds of requests, by number */
  readonly #asked = new Map<unknown, string>();
  /** frames of the other end, and those that were not waited for any longer */
  #arrived = 0;
  #missed = 0;
  #open = true;
  #question = FIRST_QUESTION;
  #answered = 0;
  #wake = () => {};

  /** whether the node has ended the link */
  get ended(): boolean {
    return !this.#open;
  }

  /**
   * @param aborted tickets that a node of this session has aborted; a set for all its links
   * @param answerMs how long an answer is waited for before the next frame goes
   */
  constructor(link: Link, heard: Heard, aborted: Set<unknown>, answerMs: number) {
    this.#link = link;
    this.#heard = heard;
    this.#aborted = aborted;
    this.#answerMs = answerMs;
    link.onFrame = (bytes) => this.#receive(bytes);
    link.onClose = (why) => {
      const kind = why.replace(/[0-9a-f]{8,}|\d+(\.\d+)?(e[+-]?\d+)?/g, 'n');
      heard.ended[kind] = (heard.ended[kind] ?? 0) + 1;
      this.#open = false;
      this.#wake();
    };
  }

  /**
   * Sends frames, each when the other end has said as much as it had in the recorded session, or is late.
   * @param asks whether it is a client, which can ask whether it is still heard
   */
  async all(lines: readonly Line[], asks: boolean): Promise<void> {
    let [changed, plain] = [0, 0];
    const count = (all: boolean) => {
      // What ended the link was heard; of what followed nothing
      const sure = all ? changed : Math.min(1, changed);
      this.#heard.changed += sure;
      this.#heard.plain += all ? plain : 0;
      this.#heard.unheard += all ? 0 : changed - sure + plain;
      [changed, plain] = [0, 0];
    };
    for (const line of lines) {
      // Of a run that is over nothing more is said
      if (this.#arrived + this.#missed < line.after && !this.#aborted.has(line.ticket)) await this.#hear(line.after);
      if (!this.#open) break;
      if (line.starts && (this.#aborted.has(line.starts) || !this.#prepared.has(line.starts))) continue;
      const header = headerOf(line.frame);
      if (header && 're' in header) this.#asked.set(header.re, String(header.t));
      await this.#link.send(new Uint8Array(line.frame)).catch(() => {});
      if (line.changed) changed++;
      else plain++;
      if (asks && changed + plain >= BATCH) count(await this.#isHeard(line.frame));
    }
    count(this.#open && (!asks || (await this.#isHeard(lines[0]!.frame))));
    this.#link.onClose = () => {};
  }

  #receive(bytes: Uint8Array): void {
    const header = headerOf(Buffer.from(bytes));
    if (header?.t === 'abort') this.#aborted.add(header.ticket);
    else if (header?.t === 'prepared') this.#prepared.add(header.ticket);
    if (typeof header?.re === 'number' && header.re >= FIRST_QUESTION) this.#answered = header.re;
    else this.#arrived++;
    const kind = String(header?.t);
    if (kind === 'done' || kind === 'answer') {
      const asked = this.#asked.get(header!.re) ?? 'open';
      this.#heard.carriedOut[asked] = (this.#heard.carriedOut[asked] ?? 0) + 1;
    }
    this.#heard.answers[kind] = (this.#heard.answers[kind] ?? 0) + 1;
    this.#wake();
  }

  /** Asks for a second session, which the node refuses or, where it has none yet, grants: an answer all the same. */
  async #isHeard(like: Buffer): Promise<boolean> {
    const re = ++this.#question;
    const head = Buffer.alloc(HEAD);
    head[0] = WIRE_VERSION;
    head.writeUInt32LE(re % 2 ** 32, 4);
    const frame = withHeader(head, { t: 'open', re, session: like.toString('hex', 0, 16).padEnd(32, '0') });
    await this.#link.send(new Uint8Array(frame)).catch(() => {});
    await this.#until(() => this.#answered >= re, BATCH_MS);
    return this.#answered >= re;
  }

  async #hear(frames: number): Promise<void> {
    await this.#until(() => this.#arrived + this.#missed >= frames, this.#answerMs);
    // What did not come in time is not waited for again
    this.#missed = Math.max(this.#missed, frames - this.#arrived);
  }

  async #until(there: () => boolean, ms: number): Promise<void> {
    if (there() || !this.#open) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, ms);
      this.#wake = () => {
        if (this.#open && !there()) return;
        clearTimeout(late);
        resolve();
      };
    });
  }
}
