import { limits } from '../limits.js';
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
  ping?(): void;
  /** of `ws` only */
  on?(event: 'pong', listener: () => void): void;
}

/** Frames through an open WebSocket; each that arrives is a buffer of its own, which stays valid. */
export class SocketLink implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  readonly #socket: Socket;
  #closed = '';
  #waiting = 0;
  /** what waits for a pong, or for the end */
  readonly #asking = new Set<(alive: boolean) => void>();

  constructor(
    socket: Socket,
    readonly channel?: Channel,
  ) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => this.#receive(data));
    socket.addEventListener('close', ({ reason }) => this.#end(reason || 'the connection was closed'));
    socket.addEventListener('error', ({ message }) => this.#end(message || 'the connection failed'));
    socket.on?.('pong', () => this.#answered(true));
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    // Of no use to anybody; and `ws` hands out the same buffer for each empty message, which can be transferred once
    // only
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) {
      this.close('only binary frames that are not empty are understood');
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

  async send(frame: Uint8Array): Promise<void> {
    if (this.#closed) throw new Error(this.#closed);
    this.#socket.send(frame);
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
    // Who is gone answers nothing more
    this.#answered(false);
    told(this, why);
  }

  #answered(alive: boolean): void {
    for (const tell of this.#asking) tell(alive);
    this.#asking.clear();
  }

  /** Of `ws` only: a browser answers pings and sends none. */
  async answers(ms: number): Promise<boolean> {
    if (this.#closed) return false;
    if (!this.#socket.ping || !this.#socket.on) return true;
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
      this.#socket.ping!();
    });
  }
}
