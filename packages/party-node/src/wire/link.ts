/** A two-way stream of binary frames. Implementations: a message port between threads, a WebSocket between processes; one compliance suite tests both. */
export interface Link {
  /** Memory for a frame that goes to `send` next, where the link has some. */
  frame?(length: number): Uint8Array;
  /** Resolves when there is room for more; rejects once the link is closed. A frame that is a whole buffer is the link's from then on. */
  send(frame: Uint8Array): Promise<void>;
  /** Called for each frame, which is valid until it returns or resolves; a pending promise holds the sender back. Set before the first await after the link was made. */
  onFrame: (frame: Uint8Array) => void | Promise<void>;
  /** Called once. */
  onClose: (why: string) => void;
  close(why: string): void;
}
