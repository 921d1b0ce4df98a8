/** What a stream of TCP consists of: the frames of a WebSocket, or the records of TLS. */

/** One frame or record, whole, or what comes before the first of them. */
export interface Unit {
  bytes: Buffer;
  /** 'data' counts as a frame; 'control' is a ping, a pong or a close; 'opening' the HTTP that opens a WebSocket */
  kind: 'opening' | 'data' | 'control';
  /** bytes before the payload */
  head: number;
}

/** Takes what has arrived so far. @returns the first unit, undefined while it is incomplete */
export type Reader = (bytes: Buffer) => Unit | undefined;

/** A first opcode of a control frame (RFC 6455, section 5.2). */
const CONTROL = 8;

/** Reads one direction of a WebSocket without TLS: the HTTP that opens it, then frames. */
export function webSocketReader(): Reader {
  let open = false;
  return (bytes) => {
    if (!open) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      open = true;
      return { bytes: bytes.subarray(0, end + 4), kind: 'opening', head: end + 4 };
    }
    if (bytes.length < 2) return undefined;
    const short = bytes[1]! & 127;
    const mask = bytes[1]! & 128 ? 4 : 0;
    const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + mask;
    if (bytes.length < head) return undefined;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < head + length) return undefined;
    const kind = (bytes[0]! & 15) < CONTROL ? 'data' : 'control';
    return { bytes: bytes.subarray(0, head + length), kind, head };
  };
}

/** Reads one direction of a TLS connection: records (RFC 8446, section 5.1). */
export function tlsReader(): Reader {
  return (bytes) => {
    if (bytes.length < 5) return undefined;
    const length = 5 + bytes.readUInt16BE(3);
    return bytes.length < length ? undefined : { bytes: bytes.subarray(0, length), kind: 'data', head: 5 };
  };
}

/** Cuts what arrives into units. What is incomplete waits for the rest. */
export class Units {
  readonly #read: Reader;
  /** of a unit that is not complete */
  rest: Buffer = Buffer.alloc(0);

  constructor(read: Reader) {
    this.#read = read;
  }

  *push(chunk: Buffer): Generator<Unit> {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (let unit = this.#read(this.rest); unit; unit = this.#read(this.rest)) {
      this.rest = this.rest.subarray(unit.bytes.length);
      yield unit;
    }
  }
}
