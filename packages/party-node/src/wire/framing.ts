import { NodeError, type NodeName } from '../errors.js';
import { limits, WIRE_VERSION } from '../limits.js';
import { timed } from '../timed.js';
import type { Link } from './link.js';
import { type Message, message, readJson } from './messages.js';

/** version, kind, header length (u16), message id (u32), payload length (f64) */
const HEAD = 16;
const FIRST = 0;
const MORE = 1;

/** Thrown by `accept`: the message is passed over, with a payload of so many bytes at most, and the link goes on. */
export class Unwanted extends Error {
  constructor(
    readonly reason: NodeError,
    readonly bytes: number,
  ) {
    super(reason.message);
  }
}

interface Partial {
  header: Message;
  /** absent where it is passed over */
  payload: Uint8Array | undefined;
  total: number;
  filled: number;
}

/** Most incomplete messages on a link: more than any client sends at a time. */
const UNFINISHED = 64;

/**
 * Messages over a link: a JSON header and a payload, cut into frames so that a long message does not keep a short one
 * waiting. The receiver says how long a payload may be before any memory is taken.
 */
export class MessageLink {
  /**
   * Largest payload that the receiver takes for this header now, which says that it has so many bytes; throws to close
   * the link, or `Unwanted`.
   */
  accept: (header: Message, bytes: number) => number = () => 0;
  onMessage: (header: Message, payload: Uint8Array) => void | Promise<void> = () => {};
  onClose: (why: string) => void = () => {};
  /** Called for each message that is passed over; a pending promise holds the sender back. */
  onUnwanted: (header: Message, reason: NodeError) => void | Promise<void> = () => {};
  /** Memory for a payload; it is the receiver's. */
  room: (header: Message, bytes: number) => Uint8Array = (_, bytes) => new Uint8Array(bytes);
  /** Memory of a payload that will not be complete. */
  dropped: (payload: Uint8Array) => void = () => {};
  /** Largest frame that is read: small until the other side has shown that it knows the token. */
  frameLimit: number = limits.frameBytes;
  /** frame headers and message headers sent so far */
  overheadBytes = 0;
  readonly #link: Link;
  readonly #peer: () => NodeName;
  #nextId = 1;
  readonly #partial = new Map<number, Partial>();

  constructor(link: Link, peer: () => NodeName) {
    this.#link = link;
    this.#peer = peer;
    const refuse = (error: Error) => this.close(error.message);
    link.onFrame = (frame) => {
      try {
        return this.#frame(frame)?.catch(refuse);
      } catch (error) {
        refuse(error as Error);
      }
    };
    link.onClose = (why) => {
      for (const { payload } of this.#partial.values()) if (payload) this.dropped(payload);
      this.#partial.clear();
      this.onClose(why);
    };
  }

  /** Waits until a frame is on its way: who takes nothing for so long is not there, and nobody waits for it. */
  async #sent(frame: void | Promise<void>): Promise<void> {
    try {
      await timed(Promise.resolve(frame), limits.progressMs, this.#peer(), 'room for a frame');
    } catch (error) {
      this.close((error as Error).message);
      throw error;
    }
  }

  /**
   * Resolves when all of it is on its way. The payload is copied frame by frame, never as a whole.
   * @throws NodeError NO_PROGRESS where the other side takes nothing any more, and the link is closed
   */
  async send(header: Message, ...payload: Uint8Array[]): Promise<void> {
    const json = new TextEncoder().encode(JSON.stringify(header));
    if (json.length > limits.headerBytes)
      throw new NodeError(
        'client',
        'LIMIT_EXCEEDED',
        `a message header of ${json.length} bytes; the limit is ${limits.headerBytes}`,
      );
    const total = payload.reduce((n, p) => n + p.length, 0);
    const id = this.#nextId++ >>> 0;
    let [part, at, sent] = [0, 0, 0];
    let first = true;
    while (first || sent < total) {
      const head = first ? json.length : 0;
      const room = Math.min(limits.frameBytes - HEAD - head, total - sent);
      const frame = this.#link.frame?.(HEAD + head + room) ?? new Uint8Array(HEAD + head + room);
      const view = new DataView(frame.buffer, frame.byteOffset);
      view.setUint8(0, WIRE_VERSION);
      view.setUint8(1, first ? FIRST : MORE);
      view.setUint16(2, head, true);
      view.setUint32(4, id, true);
      view.setFloat64(8, total, true);
      if (first) frame.set(json, HEAD);
      for (let to = HEAD + head; to < frame.length; ) {
        const from = payload[part]!;
        const n = Math.min(from.length - at, frame.length - to);
        frame.set(from.subarray(at, at + n), to);
        to += n;
        at += n;
        if (at === from.length) [part, at] = [part + 1, 0];
      }
      sent += room;
      first = false;
      this.overheadBytes += HEAD + head;
      await this.#sent(this.#link.send(frame));
    }
  }

  /** Resolves when what was sent has been taken from the link, where that is told. */
  async taken(): Promise<void> {
    await this.#link.taken?.();
  }

  close(why: string): void {
    this.#link.close(why);
  }

  #bad(what: string): NodeError {
    return new NodeError(this.#peer(), 'BAD_FRAME', what);
  }

  #frame(frame: Uint8Array): void | Promise<void> {
    if (frame.length < HEAD || frame.length > this.frameLimit)
      throw this.#bad(`a frame of ${frame.length} bytes; ${HEAD} to ${this.frameLimit} are allowed`);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    if (view.getUint8(0) !== WIRE_VERSION)
      throw new NodeError(
        this.#peer(),
        'VERSION_MISMATCH',
        `speaks version ${view.getUint8(0)} of the protocol, this node speaks ${WIRE_VERSION}; ` +
          'run the same release everywhere',
      );
    const kind = view.getUint8(1);
    const headLength = view.getUint16(2, true);
    const id = view.getUint32(4, true);
    const total = view.getFloat64(8, true);
    if (kind === MORE) {
      const p = this.#partial.get(id);
      const body = frame.subarray(HEAD);
      if (!p || headLength !== 0 || total !== p.total || p.filled + body.length > total || body.length === 0)
        throw this.#bad('a continuation of no message');
      p.payload?.set(body, p.filled);
      p.filled += body.length;
      if (p.filled < total) return;
      this.#partial.delete(id);
      return p.payload && this.onMessage(p.header, p.payload);
    }
    if (kind !== FIRST || HEAD + headLength > frame.length) throw this.#bad('a frame of an unknown kind');
    const header = this.#header(frame.subarray(HEAD, HEAD + headLength));
    const body = frame.subarray(HEAD + headLength);
    if (!Number.isSafeInteger(total) || total < body.length)
      throw this.#bad(`'${header.t}' with ${total} bytes, of which ${body.length} are in its first frame`);
    let most: number;
    let unwanted: NodeError | undefined;
    try {
      most = this.accept(header, total);
    } catch (error) {
      if (!(error instanceof Unwanted)) throw error;
      [most, unwanted] = [error.bytes, error.reason];
    }
    if (total > most) throw this.#bad(`'${header.t}' with ${total} bytes; at most ${most} are expected here`);
    if (body.length < total && (this.#partial.size >= UNFINISHED || this.#partial.has(id)))
      throw this.#bad('too many unfinished messages');
    const payload = unwanted ? undefined : this.room(header, total);
    payload?.set(body);
    if (body.length < total) this.#partial.set(id, { header, payload, total, filled: body.length });
    if (unwanted) return this.onUnwanted(header, unwanted);
    if (body.length === total) return this.onMessage(header, payload!);
  }

  #header(bytes: Uint8Array): Message {
    return readJson(message, bytes, this.#peer(), 'a message');
  }
}
