import { Socket } from 'node:net';
import { randomBytes } from '@noble/hashes/utils.js';
import { FRAME_HEAD, FRAME_TAG, type FrameChannel, type Secret } from '@secformer/ring';
import { limits } from '../../limits.js';
import type { Traffic } from '../../operation/counted-link.js';
import { type Link, told } from '../../wire/link.js';
import { FrameCiphers } from './frame-ciphers.js';
import { type DataSide, dataKeys, NONCE_BYTES } from './preamble.js';

const AROUND = FRAME_HEAD + FRAME_TAG;
const LARGEST = limits.frameBytes + AROUND;
/** Sealed frames that wait to be used again: as many as may be on the way. */
const SPARE = limits.inFlightBytes / limits.frameBytes;
/** What is read at once while a frame is held, and after. */
const SIDE = 65_536;
/** In a frame's head, beside its length: it is the last one and says why. */
const LAST = 2 ** 31;
const REASON_BYTES = 200;
/** How long a last frame has to leave. */
const FAREWELL_MS = 2_000;
const NOTHING = new Uint8Array(0);

export interface DataLinkOptions {
  channel: FrameChannel;
  /** of the WebSocket that it belongs to */
  seed: Secret;
  side: DataSide;
  /** the nonce of the side that dialled */
  nonce: Uint8Array;
  /** counts what crosses it */
  traffic: Traffic;
  /** Called in the same tick as the other end's first frame, which shows that it has the keys. */
  ready: () => void;
  /** how long that may take, in milliseconds */
  withinMs?: number;
}

/**
 * Frames through a TCP connection that the engine's own thread reads and writes, sealed and opened in buffers that are
 * used again. Whoever sits between sees when and how much is sent, as with TLS, and what it changes, repeats, leaves
 * out or puts in ends the link. A frame: its length (31 bits, and one that says that it is the last), its content, a
 * tag; one without content is a sign of life.
 */
export class DataLink implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  readonly #socket: Socket;
  readonly #o: DataLinkOptions;
  #seals: FrameCiphers | undefined;
  #opens: FrameCiphers | undefined;
  #isReady = false;
  #closed = '';
  /** what has arrived and is not taken yet, from `#from` to `#to`; small until the other end has shown its keys */
  #room = Buffer.allocUnsafeSlow(limits.handshakeFrameBytes);
  #from = 0;
  #to = 0;
  /** where the next bytes are read to as long as a handler needs its frame, and nothing in the room may move */
  #side = Buffer.alloc(0);
  #held = false;
  readonly #spare: Buffer[] = [];
  readonly #lent = new Map<ArrayBufferLike, Buffer>();
  #onTheWay = 0;
  #waiting: (() => void)[] = [];
  #heard = performance.now();
  #looked = performance.now();
  readonly #beats: ReturnType<typeof setInterval>;
  readonly #late: ReturnType<typeof setTimeout>;

  /** @param descriptor of a TCP connection, which is this link's from now on */
  constructor(descriptor: number, options: DataLinkOptions) {
    this.#o = options;
    const onread = {
      // Asked for after each callback
      buffer: () => (this.#held ? this.#side : this.#room.subarray(this.#to)),
      callback: (bytes: number, into: Uint8Array) => this.#arrived(bytes, into),
    };
    const socket = new Socket({ fd: descriptor, readable: true, writable: true, onread } as object);
    this.#socket = socket;
    const late = () => this.#isReady || this.close('the other end did not show its keys in time');
    // If this thread was busy meanwhile, what has come is read first
    this.#late = setTimeout(() => setImmediate(late), options.withinMs ?? limits.handshakeMs);
    this.#beats = setInterval(() => this.#beat(), limits.pingMs);
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#end(error.message));
    socket.on('end', () => this.#end('the other end closed it'));
    socket.on('close', () => this.#end('it was closed'));
    if (options.side === 'accept') {
      const nonce = randomBytes(NONCE_BYTES);
      this.#key(nonce);
      socket.write(nonce);
      this.#write(NOTHING);
    }
    socket.resume();
  }

  #key(accepted: Uint8Array): void {
    const { channel, seed, side, nonce } = this.#o;
    const { seals, opens } = dataKeys(seed, side, nonce, accepted);
    this.#seals = new FrameCiphers(channel, seals, true);
    this.#opens = new FrameCiphers(channel, opens, false);
  }

  /** @returns whether more may be read now */
  #arrived(bytes: number, into: Uint8Array): boolean {
    this.#heard = performance.now();
    this.#o.traffic.received += bytes;
    if (into.buffer === this.#side.buffer) this.#room.set(into.subarray(0, bytes), this.#to);
    this.#to += bytes;
    return this.#take();
  }

  /** Takes all frames that are whole. @returns whether more may be read */
  #take(): boolean {
    while (!this.#closed && !this.#held && this.#next());
    if (this.#closed || this.#held) return false;
    // What is incomplete goes to the front, where a whole frame has room
    if (this.#from > 0) {
      this.#room.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return true;
  }

  /** @returns whether there was something whole */
  #next(): boolean {
    const [room, at] = [this.#room, this.#from];
    const there = this.#to - at;
    if (!this.#opens) {
      if (there < NONCE_BYTES) return false;
      this.#key(room.subarray(at, at + NONCE_BYTES));
      this.#from += NONCE_BYTES;
      return true;
    }
    if (there < FRAME_HEAD) return false;
    const head = room.readUInt32LE(at);
    const length = head % LAST;
    const most = this.#isReady ? limits.frameBytes : 0;
    if (length > most) {
      this.close(`a frame of ${length} bytes came; at most ${most} are allowed`);
      return false;
    }
    if (there < length + AROUND) return false;
    this.#from += length + AROUND;
    // No Buffer, whose slices are views
    const content = new Uint8Array(room.buffer, room.byteOffset + at + FRAME_HEAD, length);
    if (!this.#opens.next(room.subarray(at, at + length + AROUND)))
      this.close('a frame came that the other end did not seal, or not as the next one');
    else if (head >= LAST) this.#end(new TextDecoder().decode(content.subarray(0, REASON_BYTES)));
    else this.#opened(content);
    return true;
  }

  #opened(frame: Uint8Array): void {
    if (!this.#isReady) {
      this.#isReady = true;
      clearTimeout(this.#late);
      this.#side = Buffer.allocUnsafeSlow(SIDE);
      const room = Buffer.allocUnsafeSlow(LARGEST + SIDE);
      this.#room.copy(room, 0, 0, this.#to);
      this.#room = room;
      if (this.#o.side === 'dial') this.#write(NOTHING);
      this.#o.ready();
    }
    // A sign of life
    if (frame.length === 0) return;
    let pending: void | Promise<void>;
    try {
      pending = this.onFrame(frame);
    } catch (error) {
      this.close((error as Error).message);
      return;
    }
    if (!pending) return;
    this.#held = true;
    pending.then(
      () => {
        this.#held = false;
        if (this.#take()) this.#socket.resume();
      },
      (error: Error) => this.close(error.message),
    );
  }

  frame(length: number): Uint8Array {
    const sealed = this.#spare.pop() ?? Buffer.allocUnsafeSlow(LARGEST);
    this.#lent.set(sealed.buffer, sealed);
    return new Uint8Array(sealed.buffer, FRAME_HEAD, length);
  }

  async send(frame: Uint8Array): Promise<void> {
    if (this.#closed) throw new Error(this.#closed);
    this.#write(frame);
    while (this.#onTheWay > limits.inFlightBytes && !this.#closed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#closed) throw new Error(this.#closed);
  }

  #write(frame: Uint8Array, last = 0): void {
    let sealed = this.#lent.get(frame.buffer);
    if (sealed) this.#lent.delete(frame.buffer);
    else {
      sealed = this.#spare.pop() ?? Buffer.allocUnsafeSlow(LARGEST);
      sealed.set(frame, FRAME_HEAD);
    }
    const bytes = sealed.subarray(0, frame.length + AROUND);
    bytes.writeUInt32LE(last + frame.length);
    if (!this.#seals!.next(bytes)) throw new Error('a frame could not be sealed');
    this.#onTheWay += bytes.length;
    this.#o.traffic.sent += bytes.length;
    this.#socket.write(bytes, () => {
      this.#onTheWay -= bytes.length;
      if (this.#spare.length < SPARE) this.#spare.push(sealed);
      if (this.#onTheWay <= limits.inFlightBytes) for (const go of this.#waiting.splice(0)) go();
    });
  }

  /**
   * Says that this end lives, and looks whether the other one does. If this thread was busy, or the machine slept, what
   * the other end has sent meanwhile is still to be read.
   */
  #beat(): void {
    const now = performance.now();
    if (this.#held || now - this.#looked > 2 * limits.pingMs) this.#heard = now;
    this.#looked = now;
    if (now - this.#heard > limits.pongMs) this.close('the other end gave no sign of life');
    else if (this.#isReady && this.#onTheWay === 0) this.#write(NOTHING);
  }

  close(why: string): void {
    if (this.#closed) return;
    if (this.#isReady) this.#write(new TextEncoder().encode(why).subarray(0, REASON_BYTES), LAST);
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = why || 'closed';
    clearTimeout(this.#late);
    clearInterval(this.#beats);
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), FAREWELL_MS).unref();
    for (const go of this.#waiting.splice(0)) go();
    told(this, this.#closed);
  }
}
