import { limits } from '../limits.js';
import type { Link } from './link.js';

/** What a MessagePort of a browser and of Node have in common. */
export interface Port {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  close(): void;
}

type PortEvents = Port & {
  on?(event: string, listener: (message: unknown) => void): void;
  addEventListener?(event: string, listener: (event: { data: unknown }) => void): void;
  start?(): void;
};

/** Frames through a message port; the receiver acknowledges bytes, so that a fast sender waits. */
export class PortLink implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  readonly #port: Port;
  #onTheWay = 0;
  #closed = '';
  #room: (() => void)[] = [];
  #queue: Promise<void> = Promise.resolve();

  constructor(port: Port) {
    this.#port = port;
    const events = port as PortEvents;
    const receive = (message: unknown) => this.#receive(message);
    if (events.on) {
      events.on('message', receive);
      events.on('close', () => this.#end('the other thread is gone'));
    } else {
      events.addEventListener!('message', ({ data }) => receive(data));
      events.start?.();
    }
  }

  #receive(message: unknown): void {
    if (typeof message === 'number') {
      this.#onTheWay -= message;
      if (this.#onTheWay <= limits.inFlightBytes) for (const go of this.#room.splice(0)) go();
    } else if (message instanceof ArrayBuffer) {
      this.#queue = this.#queue.then(async () => {
        if (this.#closed) return;
        await this.onFrame(new Uint8Array(message));
        if (!this.#closed) this.#port.postMessage(message.byteLength, []);
      });
    } else if (typeof message === 'string') {
      this.#end(message);
    }
  }

  async send(frame: Uint8Array): Promise<void> {
    while (!this.#closed && this.#onTheWay > limits.inFlightBytes) await new Promise<void>((resolve) => this.#room.push(resolve));
    if (this.#closed) throw new Error(this.#closed);
    const whole = frame.byteOffset === 0 && frame.byteLength === frame.buffer.byteLength;
    const buffer = (whole ? frame : frame.slice()).buffer as ArrayBuffer;
    this.#onTheWay += buffer.byteLength;
    this.#port.postMessage(buffer, [buffer]);
  }

  close(why: string): void {
    if (this.#closed) return;
    try {
      this.#port.postMessage(why, []);
    } catch {
      // the port is gone already
    }
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = why || 'closed';
    for (const go of this.#room.splice(0)) go();
    // Later, so that a posted reason still leaves
    setTimeout(() => this.#port.close(), 0);
    this.onClose(this.#closed);
  }
}
