/** What a link's end in Node knows of the TLS connection that it goes through. */
export interface Channel {
  /**
   * 32 bytes of keying material that the two ends of the TLS connection alone have (RFC 8446, section 7.5): somebody
   * between them has two connections, with different ones
   */
  binding?: Uint8Array | undefined;
  /** why the other end's certificate is not to be trusted; absent where it is, and at the accepting end */
  unverified?: string | undefined;
}

/**
 * A two-way stream of binary frames. Implementations: a message port between threads, a WebSocket between processes;
 * one compliance suite tests both. Whatever comes from the other end or from a handler ends this link at most, never
 * the process.
 */
export interface Link {
  /** what is known of the connection below; absent where its transport or a browser answers for the other end */
  readonly channel?: Channel | undefined;
  /** Memory for a frame that goes to `send` next, where the link has some. */
  frame?(length: number): Uint8Array;
  /**
   * Resolves when there is room for more; rejects once the link is closed. A frame that is a whole buffer is the link's
   * from then on. Shorter ones than two bytes are for links themselves.
   */
  send(frame: Uint8Array): Promise<void>;
  /**
   * Called for each frame, which is valid until it returns or resolves; a pending promise holds the sender back. Set
   * before the first await after the link was made. Where it throws or rejects, the link is closed with the error's
   * message.
   */
  onFrame: (frame: Uint8Array) => void | Promise<void>;
  /** Called once. */
  onClose: (why: string) => void;
  /** Ends the link, and tells the other end why where its transport can; once, later calls do nothing. */
  close(why: string): void;
  /** Resolves when the other end has taken all that was sent, or the link is closed; absent where that is not told. */
  taken?(): Promise<void>;
  /**
   * Asks the other end's transport whether it is alive, and waits `ms` for its answer; absent for transports that
   * notice a lost end at once.
   */
  answers?(ms: number): Promise<boolean>;
  /**
   * Milliseconds until the other end's transport has answered, `ms` at most; undefined where the link is closed. Absent
   * where that cannot be asked.
   */
  roundTrip?(ms: number): Promise<number | undefined>;
}

/**
 * Tells a link's owner that it is closed. An error in the owner's handler must not reach the transport, whose event
 * this is.
 */
export function told(link: Link, why: string): void {
  try {
    link.onClose(why);
  } catch (error) {
    console.error(`secformer: the end of a connection (${why}) could not be handled: ${(error as Error).stack}`);
  }
}
