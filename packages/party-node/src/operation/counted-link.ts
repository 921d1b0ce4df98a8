import type { Link } from '../wire/link.js';

/** Bytes that crossed the links to one node, or to all clients. */
export interface Traffic {
  sent: number;
  received: number;
}

/** A link whose frames are counted on their way. */
export class CountedLink implements Link {
  readonly #link: Link;
  readonly #traffic: Traffic;

  constructor(link: Link, traffic: Traffic) {
    this.#link = link;
    this.#traffic = traffic;
  }

  send(frame: Uint8Array): Promise<void> {
    this.#traffic.sent += frame.length;
    return this.#link.send(frame);
  }

  set onFrame(take: Link['onFrame']) {
    this.#link.onFrame = (frame) => {
      this.#traffic.received += frame.length;
      return take(frame);
    };
  }

  set onClose(closed: Link['onClose']) {
    this.#link.onClose = closed;
  }

  close(why: string): void {
    this.#link.close(why);
  }
}
