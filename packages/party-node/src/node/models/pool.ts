/** Runs of published Programs that are prepared before anybody asks for them: the dealer's part, which decides. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { limits } from '../../limits.js';
import type { NodeRun } from '../run.js';
import type { Catalogue } from './catalogue.js';
import type { PublishedModel } from './model.js';

const PARTIES = 2;

/** A Program of a published model. */
export interface PoolItem {
  model: PublishedModel;
  program: string;
}

/** What the pool needs of the dealer. */
export interface PoolNode {
  catalogue: Catalogue;
  /** whether somebody waits for a run, or both parties are not there */
  busy: () => boolean;
  /** has all three nodes prepare a run */
  prepare: (ticket: string, item: PoolItem) => NodeRun;
}

interface Pooled extends PoolItem {
  run: NodeRun;
  /** parties that have said that they have prepared it */
  ready: number;
}

/**
 * The dealer decides what is prepared, and which prepared run an ask gets: it is the one node that knows when both
 * parties are done. A party hands a prepared run to one client's ticket, once; so whatever the dealer says, no mask
 * serves two clients. What was asked most of late comes first; nothing is begun while somebody waits for a run.
 */
export class Pool {
  readonly #node: PoolNode;
  readonly #pooled = new Map<string, Pooled>();
  /** how often each Program was asked for of late */
  readonly #asked = new Map<string, number>();
  /** what clients' runs that the parties compute now are waited for with: how many of the two still compute */
  readonly #computing = new Map<string, { left: number; timer: ReturnType<typeof setTimeout> }>();
  #again: ReturnType<typeof setTimeout> | undefined;
  /** nothing is begun for a while */
  #pausing = false;

  constructor(node: PoolNode) {
    this.#node = node;
    // Clients come back when nodes do, and are not to wait for this
    this.#pause();
  }

  /** Number of runs that are prepared and that nobody has yet. */
  get size(): number {
    return [...this.#pooled.values()].filter((p) => p.ready === PARTIES).length;
  }

  /** Somebody asks for a Program. @returns the ticket of a run that is prepared, which is no longer the pool's */
  take({ model, program }: PoolItem): string | undefined {
    const key = keyOf(model, program);
    for (const [name, count] of this.#asked) this.#asked.set(name, count * limits.poolMemory);
    this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1);
    for (const [ticket, p] of this.#pooled) {
      if (p.model !== model || p.program !== program || p.ready < PARTIES) continue;
      this.#pooled.delete(ticket);
      // There is room again
      this.#pausing = false;
      return ticket;
    }
    return undefined;
  }

  /** A party has prepared its part. */
  ready(ticket: string): void {
    const p = this.#pooled.get(ticket);
    if (p && ++p.ready === PARTIES) p.run.isReady = true;
    this.fill();
  }

  /** A run is over, whether it was the pool's or not. */
  over(run: NodeRun): void {
    if (this.#pooled.delete(run.ticket)) {
      // A node has no room for more, or something is wrong: not again at once
      this.#pause();
    } else this.fill();
  }

  /**
   * Begins nothing while parties compute a client's run, which would take longer then.
   * @param computed how many of the parties have computed it already
   */
  standBack(ticket: string, computed: number): void {
    if (computed >= PARTIES) return;
    const timer = setTimeout(() => this.computed(ticket, true), limits.poolStandBackMs).unref();
    this.#computing.set(ticket, { left: PARTIES - computed, timer });
  }

  /** A party has computed a client's run; or it is over at both. */
  computed(ticket: string, both: boolean): void {
    const waiting = this.#computing.get(ticket);
    if (!waiting || (--waiting.left > 0 && !both)) return;
    clearTimeout(waiting.timer);
    this.#computing.delete(ticket);
    this.fill();
  }

  #pause(): void {
    this.#pausing = true;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      this.#pausing = false;
      this.fill();
    }, limits.poolPauseMs).unref();
  }

  stop(): void {
    clearTimeout(this.#again);
    for (const { timer } of this.#computing.values()) clearTimeout(timer);
    this.#computing.clear();
  }

  /** Begins with the next run, if nobody waits for another. */
  fill(): void {
    if (this.#pausing || this.#computing.size > 0 || this.#node.busy()) return;
    if ([...this.#pooled.values()].some((p) => p.ready < PARTIES)) return;
    const next = this.#next();
    if (!next) return;
    const ticket = bytesToHex(randomBytes(16));
    this.#pooled.set(ticket, { ...next, ready: 0, run: this.#node.prepare(ticket, next) });
  }

  /** The Program whose asks wait longest for a prepared run; each has one before any has two. */
  #next(): PoolItem | undefined {
    let best: PoolItem | undefined;
    let most = 0;
    for (const model of this.#node.catalogue.all) {
      for (const { hash } of model.manifest.programs) {
        const there = [...this.#pooled.values()].filter((p) => p.model === model && p.program === hash).length;
        if (there >= limits.pooledRuns) continue;
        const weight = ((this.#asked.get(keyOf(model, hash)) ?? 0) + limits.poolUnasked) / (1 + there);
        if (weight > most) [best, most] = [{ model, program: hash }, weight];
      }
    }
    return best;
  }
}

const keyOf = (model: PublishedModel, program: string) => `${model.ref.generation} ${program}`;
