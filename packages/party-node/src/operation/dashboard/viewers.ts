/** Pages that watch, each by a stream of server-sent events. */
import { limits } from '../../limits.js';

/** What an event is written to: the answer to a request. */
export interface Stream {
  write(text: string): boolean;
  destroy(): void;
  on(event: 'close' | 'error', listener: () => void): unknown;
  readonly writableLength: number;
  readonly destroyed: boolean;
}

/** Tells whoever watches how things stand, once a second while anybody does; without viewers it does nothing. */
export class Viewers {
  readonly #streams = new Set<Stream>();
  readonly #state: () => Promise<unknown>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: (() => void) | undefined;
  #telling = false;
  #closed = false;

  /** @param state how things stand; where it rejects, that second is left out */
  constructor(state: () => Promise<unknown>) {
    this.#state = state;
  }

  get count(): number {
    return this.#streams.size;
  }

  get isFull(): boolean {
    return this.#streams.size >= limits.dashboardViewers;
  }

  add(stream: Stream): void {
    if (this.#closed) stream.destroy();
    // It may have left while it was answered
    if (stream.destroyed) return;
    this.#streams.add(stream);
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#stopWaiting();
    });
    // How long a page waits before it comes again
    stream.write(`retry: ${2 * limits.dashboardMs}\n\n`);
    if (!this.#telling) void this.#tell();
  }

  /** Sends an event as one line of JSON. Who does not read is dropped. */
  send(event: 'state' | 'run', value: unknown): void {
    if (this.#streams.size === 0) return;
    const text = `event: ${event}\ndata: ${JSON.stringify(value)}\n\n`;
    for (const stream of this.#streams) {
      stream.write(text);
      if (stream.writableLength > limits.viewerBytes) stream.destroy();
    }
  }

  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
    this.#stopWaiting();
  }

  async #tell(): Promise<void> {
    this.#telling = true;
    while (this.#streams.size > 0) {
      const begun = performance.now();
      const state = await this.#state().catch(() => undefined);
      if (state !== undefined) this.send('state', state);
      const rest = Math.max(0, limits.dashboardMs - (performance.now() - begun));
      if (this.#streams.size > 0)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          this.#timer = setTimeout(resolve, rest);
        });
    }
    this.#telling = false;
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#wake?.();
  }
}
