/** What crosses links, as messages: headers and payloads, put together from frames. */
import type { Link } from '../../src/wire/link.js';

export interface Heard {
  from: string;
  to: string;
  header: Record<string, unknown> & { t: string };
  payload: Buffer;
}

/** version, kind, header length (u16), message id (u32), payload length (f64) */
const HEAD = 16;

export class Tap {
  /** in the order in which they began */
  readonly heard: Heard[] = [];
  /** every frame as it was */
  readonly frames: { from: string; to: string; bytes: Buffer }[] = [];
  readonly #open = new Map<string, Heard>();

  /** Listens to what is sent on this link from here on. */
  sent(from: string, to: string, link: Link): void {
    const send = link.send.bind(link);
    link.send = (frame) => {
      this.#take(from, to, frame);
      return send(frame);
    };
  }

  /** Listens to what arrives on this link from here on. */
  received(from: string, to: string, link: Link): void {
    let onFrame = link.onFrame;
    Object.defineProperty(link, 'onFrame', {
      get: () => onFrame,
      set: (listener: Link['onFrame']) => {
        onFrame = (frame) => {
          this.#take(from, to, frame);
          return listener(frame);
        };
      },
    });
  }

  clear(): void {
    this.heard.length = 0;
    this.frames.length = 0;
  }

  #take(from: string, to: string, frame: Uint8Array): void {
    // A frame's memory goes to the other thread
    const bytes = Buffer.from(frame);
    this.frames.push({ from, to, bytes });
    const key = `${from} ${to} ${bytes.readUInt32LE(4)}`;
    const head = bytes.readUInt16LE(2);
    if (bytes[1] === 0) {
      const header = JSON.parse(bytes.toString('utf8', HEAD, HEAD + head)) as Heard['header'];
      const message = { from, to, header, payload: bytes.subarray(HEAD + head) };
      this.heard.push(message);
      this.#open.set(key, message);
    } else {
      const message = this.#open.get(key)!;
      message.payload = Buffer.concat([message.payload, bytes.subarray(HEAD)]);
    }
  }
}
