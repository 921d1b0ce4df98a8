import { limits } from '../limits.js';
import { type Link, told } from './link.js';

/** What a MessagePort of a browser and of Node have in common. */
export interface Port {
  /** sends a message, and gives the buffers named away */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** closes both of its ends */
  close(): void;
}

type PortEvents = Port & {
  on?(event: string, listener: (message: unknown) => void): void;
  addEventListener?(event: string, listener: (event: { data: unknown }) => void): void;
  start?(): void;
};

/**
 * What travels through a port: a frame at the start of a buffer, its acknowledgement, perhaps with the buffer for the
 * next frame, or the reason of the end.
 */
type PortMessage = { frame: ArrayBuffer; length: number } | { taken: number; spare?: ArrayBuffer } | { closed: string };

/** Frames smaller than this are not worth a buffer of their own that comes back. */
const WORTH = 65_536;
/** Buffers that are kept: as many as may be on the way. */
const SPARE = limits.inFlightBytes / limits.frameBytes;

/**
 * Frames through a message port; the receiver acknowledges bytes, so that a fast sender waits. Buffers travel back with
 * the acknowledgement, so that a long run does not allocate one for every frame.
 */
export class PortLink implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  readonly #port: Port;
  readonly #keepsFrames: boolean;
  #onTheWay = 0;
  #closed = '';
  #room: (() => void)[] = [];
  #taken: (() => void)[] = [];
  #queue: Promise<void> = Promise.resolve();
  readonly #spare: ArrayBuffer[] = [];
  readonly #lent = new WeakSet<ArrayBuffer>();

  /** @param keepsFrames `onFrame` still needs a frame after it has resolved, so that its buffer cannot go back */
  constructor(port: Port, keepsFrames = false) {
    this.#port = port;
    this.#keepsFrames = keepsFrames;
    const events = port as PortEvents;
    const receive = (message: unknown) => this.#receive(message as PortMessage);
    if (events.on) {
      events.on('message', receive);
      events.on('close', () => this.#end('the other thread is gone'));
    } else {
      events.addEventListener!('message', ({ data }) => receive(data));
      events.start?.();
    }
  }

  #receive(message: PortMessage): void {
    if ('taken' in message) {
      this.#onTheWay -= message.taken;
      if (message.spare && this.#spare.length < SPARE) this.#spare.push(message.spare);
      if (this.#onTheWay <= limits.inFlightBytes) for (const go of this.#room.splice(0)) go();
      if (this.#onTheWay === 0) for (const go of this.#taken.splice(0)) go();
    } else if ('frame' in message) {
      this.#queue = this.#queue.then(() => this.#take(message)).catch((error: Error) => this.close(error.message));
    } else {
      this.#end(message.closed);
    }
  }

  async #take({ frame, length }: { frame: ArrayBuffer; length: number }): Promise<void> {
    if (this.#closed) return;
    await this.onFrame(new Uint8Array(frame, 0, length));
    if (this.#closed) return;
    if (this.#keepsFrames || frame.byteLength !== limits.frameBytes) this.#post({ taken: length });
    else this.#post({ taken: length, spare: frame }, frame);
  }

  #post(message: PortMessage, ...transfer: ArrayBuffer[]): void {
    this.#port.postMessage(message, transfer);
  }

  frame(length: number): Uint8Array {
    if (length < WORTH) return new Uint8Array(length);
    const buffer = this.#spare.pop() ?? new ArrayBuffer(limits.frameBytes);
    this.#lent.add(buffer);
    return new Uint8Array(buffer, 0, length);
  }

  async send(frame: Uint8Array): Promise<void> {
    while (!this.#closed && this.#onTheWay > limits.inFlightBytes)
      await new Promise<void>((resolve) => this.#room.push(resolve));
    if (this.#closed) throw new Error(this.#closed);
    const whole = frame.byteLength === frame.buffer.byteLength || this.#lent.delete(frame.buffer as ArrayBuffer);
    const buffer = (whole ? frame : frame.slice()).buffer as ArrayBuffer;
    this.#onTheWay += frame.byteLength;
    this.#post({ frame: buffer, length: frame.byteLength }, buffer);
  }

  async taken(): Promise<void> {
    if (!this.#closed && this.#onTheWay > 0) await new Promise<void>((resolve) => this.#taken.push(resolve));
  }

  close(why: string): void {
    if (this.#closed) return;
    try {
      this.#post({ closed: why });
    } catch {
      // the port is gone already
    }
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = why || 'closed';
    for (const go of [...this.#room.splice(0), ...this.#taken.splice(0)]) go();
    // Later, so that a posted reason is still sent
    setTimeout(() => this.#port.close(), 0);
    told(this, this.#closed);
  }
}
