import { type Link, limits } from '@secformer/party-node';
import { loopback, type Network } from './network.js';

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

  /**
   * Resolves when the line takes more: a sender feels a full one.
   * @param sent when it was
   */
  async put(frame: Uint8Array, sent: number = performance.now()): Promise<void> {
    const { roundTripMs, bytesPerSecond } = this.#network();
    this.#free = Math.max(this.#free, sent) + (frame.length / bytesPerSecond) * 1000;
    this.#frames.push({ frame, due: this.#free + roundTripMs / 2 });
    this.#bytes += frame.length;
    void this.#deliver();
    while (this.#bytes > limits.inFlightBytes) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  get isEmpty(): boolean {
    return !this.#delivering;
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
 * emulation costs no copy and no process of its own. Frames of a WebSocket are buffers of their own, so they can wait.
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

/** Milliseconds of a clock that all processes of this machine have in common. */
function commonClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** A frame that says when the one behind it was sent. */
function stamp(): Uint8Array {
  return new Uint8Array(Float64Array.of(commonClock()).buffer);
}

/**
 * A link whose frames arrive late. Its other end has one too, so that each direction is delayed where it is waited for:
 * a thread that computes would let go late of what it had sent long before, and would see late that something came, so
 * each frame is sent behind another that says when.
 * @param link whose frames are valid until they are taken, and are copied to wait
 */
export function arrivingLate(link: Link, network: () => Network): Link {
  let open = true;
  const late: Link = {
    onFrame: () => {},
    onClose: () => {},
    send(frame) {
      link.send(stamp()).catch(() => {});
      return link.send(frame);
    },
    close: (why) => link.close(why),
    ...(link.frame && { frame: (length) => link.frame!(length) }),
  };
  const inward = new Line(network, (frame) => (open ? late.onFrame(frame) : undefined));
  const ahead = commonClock() - performance.now();
  let sent: number | undefined;
  link.onFrame = (frame) => {
    if (sent === undefined) {
      sent = new Float64Array(frame.slice().buffer)[0]! - ahead;
      return undefined;
    }
    const at = sent;
    sent = undefined;
    return network() === loopback && inward.isEmpty ? late.onFrame(frame) : inward.put(frame.slice(), at);
  };
  link.onClose = (why) => {
    open = false;
    late.onClose(why);
  };
  return late;
}
