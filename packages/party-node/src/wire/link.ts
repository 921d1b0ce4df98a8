/** A two-way stream of binary frames. Implementations: a message port between threads, a WebSocket between processes; one compliance suite tests both. */
export interface Link {
  /** Resolves when there is room for more; rejects once the link is closed. */
  send(frame: Uint8Array): Promise<void>;
  /** Called for each frame; a pending promise holds the sender back. Set before the first await after the link was made. */
  onFrame: (frame: Uint8Array) => void | Promise<void>;
  /** Called once. */
  onClose: (why: string) => void;
  close(why: string): void;
}
