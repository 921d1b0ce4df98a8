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

/** The side that dials says so much before frames of a data connection, and the other side so much. */
const DATA_OPENING = { up: 56, down: 16 };

/** Reads one direction of a data connection: what its frames are sealed with, then frames. */
function dataReader(direction: 'up' | 'down'): Reader {
  let open = false;
  return (bytes) => {
    if (!open) {
      const length = DATA_OPENING[direction];
      if (bytes.length < length) return undefined;
      open = true;
      return { bytes: bytes.subarray(0, length), kind: 'opening', head: length };
    }
    if (bytes.length < 4) return undefined;
    const content = bytes.readUInt32LE() % 2 ** 31;
    const length = content + 20;
    if (bytes.length < length) return undefined;
    // One without content is a sign of life
    return { bytes: bytes.subarray(0, length), kind: content === 0 ? 'control' : 'data', head: 4 };
  };
}

/** Both directions of one connection. */
export interface Readers {
  up: Reader;
  down: Reader;
  /** whether it is a data connection, once that can be told */
  readonly isData: boolean;
}

/** Of a connection to a node: the side that dials shows by its first byte what it is for. */
export function nodeReaders(tls: boolean): Readers {
  const web = tls ? tlsReader : webSocketReader;
  let isData = false;
  const chosen: Partial<Record<'up' | 'down', Reader>> = {};
  const read = (direction: 'up' | 'down') => (bytes: Buffer) => {
    if (bytes.length === 0) return undefined;
    if (direction === 'up' && !chosen.up) isData = bytes[0] === 0;
    chosen[direction] ??= isData ? dataReader(direction) : web();
    return chosen[direction](bytes);
  };
  return {
    up: read('up'),
    down: read('down'),
    get isData() {
      return isData;
    },
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
