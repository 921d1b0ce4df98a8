/** Reads what this page sends: which message a frame is of, and which of its bytes are shares or masked values. */

/** version, kind, header length (u16), message id (u32), payload length (f64), as party-node writes them */
const HEAD = 16;
const FIRST = 0;

/** Messages by which two ends prove who they are; they hold nothing of any question. */
const HANDSHAKE = ['hello', 'proof'];

/** Bytes of a message's data that are kept, to be shown and to be compared. */
export const KEPT = 1024;

/** A message, as far as it has left. */
export interface Leaving {
  id: number;
  name: string;
  header: string;
  bytes: number;
  dataBytes: number;
  data: Uint8Array;
}

interface Open extends Leaving {
  /** bytes of the payload that have left, and how many of its first are names of tensors */
  payload: number;
  names: number;
  total: number;
}

/** The frames of one connection. */
export class FrameReader {
  readonly #open = new Map<number, Open>();

  /** @returns the message that a frame is of; undefined for the handshake, and for what is no message */
  read(frame: Uint8Array): Leaving | undefined {
    if (frame.length < HEAD) return undefined;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const id = view.getUint32(4, true);
    const first = view.getUint8(1) === FIRST;
    const headerLength = first ? view.getUint16(2, true) : 0;
    const message = first
      ? opened(id, frame.subarray(HEAD, HEAD + headerLength), view.getFloat64(8, true))
      : this.#open.get(id);
    if (!message) return undefined;
    const body = frame.subarray(HEAD + headerLength);
    const from = Math.max(0, message.names - message.payload);
    const room = KEPT - message.data.length;
    message.data = joined(message.data, body.subarray(from, from + room));
    message.payload += body.length;
    message.bytes += frame.length;
    if (message.payload < message.total) this.#open.set(id, message);
    else this.#open.delete(id);
    const { name, header, bytes, dataBytes, data } = message;
    return { id, name, header, bytes, dataBytes, data };
  }
}

function opened(id: number, json: Uint8Array, total: number): Open | undefined {
  const header = new TextDecoder().decode(json);
  let read: { t?: unknown; names?: unknown };
  try {
    read = JSON.parse(header) as typeof read;
  } catch {
    return undefined;
  }
  const name = String(read.t);
  if (HANDSHAKE.includes(name)) return undefined;
  // What inputs are bound to is a list of names as well
  const names = name === 'prepare' ? total : typeof read.names === 'number' ? read.names : 0;
  const dataBytes = Math.max(0, total - names);
  return { id, name, header, bytes: 0, dataBytes, data: new Uint8Array(0), payload: 0, names, total };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
