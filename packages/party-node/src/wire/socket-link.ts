import { limits } from '../limits.js';
import { othersTurn } from '../others-turn.js';
import { type Channel, type Link, told } from './link.js';

/** What the browser's WebSocket and the one of `ws` have in common. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  /** sends a binary frame; only `ws` calls `done` */
  send(data: Uint8Array, done?: (error?: Error) => void): void;
  /** ends the connection with a closing handshake */
  close(code?: number, reason?: string): void;
  /** 'message', 'close' or 'error' */
  addEventListener(
    event: string,
    listener: (event: { data?: unknown; reason?: string; message?: string }) => void,
  ): void;
  /** of `ws` only */
  pause?(): void;
  /** of `ws` only */
  resume?(): void;
  /** of `ws` only: ends the connection without a closing handshake */
  terminate?(): void;
  /** of `ws` only */
  ping?(data?: string): void;
  /** of `ws` only: with the data of the ping that it answers */
  on?(event: 'pong', listener: (data?: { toString(): string }) => void): void;
}

/**
 * Frames of one byte, which no message has: whether the other end lives, and that it does. They go the way of all
 * others, so that whatever holds those up holds these up too; the pings of a WebSocket may be answered by what stands
 * between, and a browser sends none.
 */
const ASK = 0;
const ALIVE = 1;
/** Who does not take so much is not asking whether this end lives. */
const UNTAKEN = 65_536;
/** Frames that are larger lie in memory that is used again, of as many as may be on the way. */
const SMALL = 65_536;
const SPARE = limits.inFlightBytes / limits.frameBytes;

/** Frames through an open WebSocket; each that arrives is a buffer of its own, which stays valid. */
export class SocketLink implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  readonly #socket: Socket;
  #closed = '';
  #waiting = 0;
  /** what waits for an answer, or for the end */
  readonly #asking = new Set<(alive: boolean) => void>();
  #heard = performance.now();
  #beats: ReturnType<typeof setInterval> | undefined;
  /** what waits for the answer to a ping of its own, by its data */
  readonly #measuring = new Map<string, (at: number | undefined) => void>();
  #pings = 0;
  readonly #spare: ArrayBuffer[] = [];
  readonly #lent = new Set<ArrayBufferLike>();

  constructor(
    socket: Socket,
    readonly channel?: Channel,
  ) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => this.#receive(data));
    socket.addEventListener('close', ({ reason }) => this.#end(reason || 'the connection was closed'));
    socket.addEventListener('error', ({ message }) => this.#end(message || 'the connection failed'));
    socket.on?.('pong', (data) => {
      this.#measuring.get(String(data))?.(performance.now());
    });
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    // Of no use to anybody; and `ws` hands out the same buffer for each empty message, which can be transferred once
    // only
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) {
      this.close('only binary frames that are not empty are understood');
      return;
    }
    if (data.byteLength === 1) {
      this.#sign(new Uint8Array(data)[0]!);
      return;
    }
    let pending: void | Promise<void>;
    try {
      pending = this.onFrame(new Uint8Array(data));
    } catch (error) {
      this.close((error as Error).message);
      return;
    }
    if (!pending) return;
    if (this.#waiting++ === 0) this.#socket.pause?.();
    pending.then(
      () => {
        if (--this.#waiting === 0) this.#socket.resume?.();
      },
      (error: Error) => this.close(error.message),
    );
  }

  #sign(what: number): void {
    if (what === ALIVE) {
      this.#heard = performance.now();
      this.#answered(true);
    } else if (what !== ASK) this.close('a frame of one byte says something unknown');
    else if (this.#socket.bufferedAmount < UNTAKEN) this.#socket.send(Uint8Array.of(ALIVE));
  }

  /**
   * Asks now and then whether the other end lives, and ends the link where no answer came for `ms`: what else comes
   * does not show that anything goes the other way. To be called on a thread that no kernel blocks. If it was blocked
   * or the machine slept all the same, the other end is given its time again: what it has sent has not been read.
   */
  keepAlive(ms: number): void {
    let looked = performance.now();
    this.#beats = setInterval(() => {
      const now = performance.now();
      // What is not read for want of room here is no silence of theirs
      if (now - looked > 2 * limits.pingMs || this.#waiting > 0) this.#heard = now;
      looked = now;
      if (now - this.#heard <= ms) this.#socket.send(Uint8Array.of(ASK));
      else this.close('the other end gave no sign of life');
    }, limits.pingMs);
  }

  /** A tensor's frames would else be garbage of many times its size. Only `ws` says when one has left. */
  frame(length: number): Uint8Array {
    if (length <= SMALL || !this.#socket.terminate) return new Uint8Array(length);
    const room = this.#spare.pop() ?? new ArrayBuffer(limits.frameBytes);
    this.#lent.add(room);
    return new Uint8Array(room, 0, length);
  }

  async send(frame: Uint8Array): Promise<void> {
    if (this.#closed) throw new Error(this.#closed);
    const room = frame.buffer as ArrayBuffer;
    if (this.#lent.delete(room)) this.#socket.send(frame, () => this.#spare.length < SPARE && this.#spare.push(room));
    else this.#socket.send(frame);
    // Where the other end takes it at once, nothing here has waited
    if (frame.length > SMALL) await othersTurn();
    // A WebSocket has no event for room in its buffer
    for (
      let wait = 1;
      this.#socket.bufferedAmount > limits.inFlightBytes && !this.#closed;
      wait = Math.min(4, wait * 2)
    ) {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    if (this.#closed) throw new Error(this.#closed);
  }

  close(why: string): void {
    if (this.#closed) return;
    // A reason has at most 123 bytes (RFC 6455, section 5.5)
    this.#socket.resume?.();
    this.#socket.close(1000, why.replace(/[^ -~]/g, '?').slice(0, 120));
    if (this.#socket.terminate) setTimeout(() => this.#socket.terminate!(), 2000).unref?.();
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = why;
    clearInterval(this.#beats);
    // Who is gone answers nothing more
    this.#answered(false);
    told(this, why);
  }

  #answered(alive: boolean): void {
    for (const tell of this.#asking) tell(alive);
    this.#asking.clear();
    if (!alive) for (const tell of this.#measuring.values()) tell(undefined);
  }

  async answers(ms: number): Promise<boolean> {
    if (this.#closed) return false;
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#asking.delete(tell);
        resolve(false);
      }, ms);
      const tell = (alive: boolean) => {
        clearTimeout(late);
        resolve(alive);
      };
      this.#asking.add(tell);
      this.#socket.send(Uint8Array.of(ASK));
    });
  }

  /** Of `ws` only. Another ping's answer does not count. */
  async roundTrip(ms: number): Promise<number | undefined> {
    if (this.#closed || !this.#socket.ping || !this.#socket.on) return undefined;
    const data = `trip ${++this.#pings}`;
    const sent = performance.now();
    return new Promise((resolve) => {
      const late = setTimeout(() => tell(sent + ms), ms);
      const tell = (at: number | undefined) => {
        clearTimeout(late);
        this.#measuring.delete(data);
        resolve(at && at - sent);
      };
      this.#measuring.set(data, tell);
      this.#socket.ping!(data);
    });
  }
}
