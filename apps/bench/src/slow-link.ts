import { type Link, limits } from '@secformer/party-node';
import type { Network } from './network.js';

/**
 * Timers of Node count whole milliseconds: what is left of a wait below this is polled, and sockets are served between
 * two looks at the clock.
 */
const POLLED_MS = 2;

/** @param roughly a millisecond late will do, and leaves the processor to others */
async function until(due: number, roughly: boolean): Promise<void> {
  for (let left = due - performance.now(); left > 0; left = due - performance.now()) {
    if (roughly || left > POLLED_MS) await new Promise((resolve) => setTimeout(resolve, Math.max(1, left - POLLED_MS)));
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * One direction of a link: frames follow one another at the network's rate and arrive half a round trip later, in
 * order.
 */
class Line {
  readonly #network: () => Network;
  readonly #arrive: (frame: Uint8Array) => void | Promise<void>;
  readonly #frames: { frame: Uint8Array; due: number }[] = [];
  #bytes = 0;
  /** when the last frame has left the sender */
  #free = 0;
  #delivering = false;
  #room: (() => void)[] = [];

  constructor(network: () => Network, arrive: (frame: Uint8Array) => void | Promise<void>) {
    this.#network = network;
    this.#arrive = arrive;
  }

  /** Resolves when the line takes more: a sender feels a full one. */
  async put(frame: Uint8Array): Promise<void> {
    const { roundTripMs, bytesPerSecond } = this.#network();
    this.#free = Math.max(this.#free, performance.now()) + (frame.length / bytesPerSecond) * 1000;
    this.#frames.push({ frame, due: this.#free + roundTripMs / 2 });
    this.#bytes += frame.length;
    void this.#deliver();
    while (this.#bytes > limits.inFlightBytes) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let next = this.#frames.shift(); next; next = this.#frames.shift()) {
      const { frame, due } = next;
      // A frame that has arrived is the receiver's, and may be gone from here
      const { length } = frame;
      // What is on the line behind it comes later still
      await until(due, this.#frames.length > 0);
      await this.#arrive(frame);
      this.#bytes -= length;
      for (const go of this.#room.splice(0)) go();
    }
    this.#delivering = false;
  }
}

/**
 * A link behind an emulated network, both ways. It delays frames where they are handed over anyway, so that the
 * emulation costs no copy and no process of its own. Frames of a node's connections are buffers of their own, so they
 * can wait.
 * @param network asked for every frame: it may change
 */
export function slowed(link: Link, network: () => Network): Link {
  const outward = new Line(network, (frame) => link.send(frame).catch(() => {}));
  const slow: Link = {
    onFrame: () => {},
    onClose: () => {},
    send: (frame) => outward.put(frame),
    close: (why) => void setTimeout(() => link.close(why), network().roundTripMs / 2),
  };
  if (link.roundTrip) {
    slow.roundTrip = async (ms) => {
      const trip = await link.roundTrip!(ms);
      return trip && trip + network().roundTripMs;
    };
  }
  const inward = new Line(network, (frame) => slow.onFrame(frame));
  link.onFrame = (frame) => inward.put(frame);
  link.onClose = (why) => void setTimeout(() => slow.onClose(why), network().roundTripMs / 2);
  return slow;
}
