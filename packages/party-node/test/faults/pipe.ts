import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Deferred } from '../../src/deferred.js';
import { sleep } from '../attacks/kit.js';
import type { Fault, Step } from './script.js';
import { type Reader, type Unit, Units } from './units.js';

/** How long a frame that is held for the next one waits for it. */
const HOLD_MS = 100;
/** Pieces that a frame is cut into, at most: the rest follows in one. */
const PIECES = 200;

/** One direction of a connection: passes units on, each after what goes wrong with it. */
export class Pipe {
  readonly #to: Socket;
  readonly #due: (frames: number, bytes: number) => Step[];
  readonly #cut: (reset: boolean) => void;
  #frames = 0;
  #bytes = 0;
  #delayMs = 0;
  #rate = 0;
  #stalled: Deferred<void> | undefined;
  /** where pings pass a stall: what waits behind it */
  #behind: Unit[] | undefined;
  #ended = false;
  /** what happens to the next unit alone */
  #next: Fault[] = [];
  #split = { bytes: 0, frames: 0 };
  /** units that wait to be sent with others, or after the next */
  #held: Buffer[] = [];
  #join = 0;
  #flush: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param due steps that have to be carried out before the unit that makes so many frames and bytes
   * @param cut ends the connection, both its directions
   */
  constructor(
    from: Socket,
    to: Socket,
    reader: Reader,
    due: (frames: number, bytes: number) => Step[],
    cut: (reset: boolean) => void,
  ) {
    this.#to = to;
    this.#due = due;
    this.#cut = cut;
    void this.#pass(from, new Units(reader));
  }

  /** Counts from here. */
  count(): void {
    [this.#frames, this.#bytes] = [0, 0];
  }

  /** Passes on what was held back, and everything else as it comes. */
  heal(): void {
    [this.#delayMs, this.#rate, this.#next, this.#join] = [0, 0, [], 0];
    this.#split = { bytes: 0, frames: 0 };
    this.#goOn();
    this.#release();
  }

  async apply(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'delay':
        this.#delayMs = fault.ms;
        return;
      case 'throttle':
        this.#rate = fault.bytesPerSecond;
        return;
      case 'stall':
        this.#stall(fault.ms, fault.pings);
        return;
      case 'cut':
        this.#cut(fault.reset);
        return;
      case 'halfClose':
        this.#ended = true;
        this.#to.end();
        return;
      case 'split':
        this.#split = { ...fault };
        return;
      case 'join':
        this.#join = fault.frames;
        return;
      default:
        this.#next.push(fault);
    }
  }

  #stall(ms: number, pings: boolean): void {
    if (pings) this.#behind ??= [];
    else this.#stalled ??= new Deferred<void>();
    setTimeout(() => this.#goOn(), ms).unref();
  }

  #goOn(): void {
    this.#stalled?.resolve();
    this.#stalled = undefined;
    const behind = this.#behind;
    this.#behind = undefined;
    for (const unit of behind ?? []) this.#write(unit.bytes);
  }

  async #pass(from: Socket, units: Units): Promise<void> {
    try {
      for await (const chunk of from) for (const unit of units.push(chunk as Buffer)) await this.#one(unit);
      await this.#stalled?.promise;
      this.#release();
      if (units.rest.length > 0) this.#write(units.rest);
      if (!this.#ended) this.#to.end();
    } catch {
      // The connection was cut; the proxy ends its other half
    }
  }

  async #one(unit: Unit): Promise<void> {
    this.#bytes += unit.bytes.length;
    if (unit.kind === 'data') this.#frames++;
    for (const { do: fault } of this.#due(this.#frames, this.#bytes)) await this.apply(fault);
    if (this.#delayMs > 0) await sleep(this.#delayMs);
    if (this.#rate > 0) await sleep((1_000 * unit.bytes.length) / this.#rate);
    await this.#stalled?.promise;
    if (this.#ended || this.#to.destroyed) return;
    if (this.#behind && unit.kind === 'data') {
      this.#behind.push(unit);
      return;
    }
    // What changes a frame waits for one
    const faults = unit.kind === 'data' ? this.#next.splice(0) : [];
    let parts = [unit.bytes];
    for (const fault of faults) {
      if (fault.kind === 'drop') parts = [];
      else if (fault.kind === 'repeat') parts = [...parts, ...parts];
      else if (fault.kind === 'flip') parts = parts.map((bytes) => flipped(bytes, fault.at, fault.bit));
      else if (fault.kind === 'reorder') {
        this.#hold(...parts);
        return;
      }
    }
    if (this.#join > 0) {
      this.#hold(...parts);
      if (--this.#join === 0) this.#release();
      return;
    }
    for (const bytes of parts) await this.#send(bytes);
    this.#release();
  }

  #hold(...parts: Buffer[]): void {
    this.#held.push(...parts);
    clearTimeout(this.#flush);
    this.#flush = setTimeout(() => this.#release(), HOLD_MS);
  }

  #release(): void {
    clearTimeout(this.#flush);
    const held = this.#held.splice(0);
    if (held.length > 0) this.#write(Buffer.concat(held));
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.#split.frames > 0) {
      this.#split.frames--;
      const size = this.#split.bytes;
      for (let piece = 0; piece < PIECES && bytes.length > size; piece++) {
        this.#write(bytes.subarray(0, size));
        bytes = bytes.subarray(size);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    if (!this.#write(bytes)) await Promise.race([once(this.#to, 'drain'), once(this.#to, 'close')]);
  }

  /** @returns whether there is room for more */
  #write(bytes: Buffer): boolean {
    return this.#to.destroyed || this.#ended || this.#to.writableEnded || this.#to.write(bytes);
  }
}

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const i = Math.min(copy.length - 1, Math.floor(at * copy.length));
  copy[i] = copy[i]! ^ (1 << bit);
  return copy;
}
