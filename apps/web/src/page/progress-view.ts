/** How far an answer is: a bar, a line, and what a screen reader is told. */
import type { Progress } from '../messages.js';
import { byId } from './elements.js';

/** A phase that takes longer is remarked upon: a network or its servers are slow. */
const SLOW_MS = 8_000;

const PHASES: Readonly<Record<Progress['phase'], { at: number; text: string }>> = {
  connecting: { at: 1, text: 'Connecting to the three servers' },
  loading: { at: 1, text: 'Fetching the model’s tokenizer' },
  sharing: { at: 2, text: 'Preparing: your sentence is cut into shares' },
  waiting: { at: 2, text: 'Queued' },
  running: { at: 3, text: 'Computing on shares' },
  done: { at: 4, text: 'Combining the two halves of the answer' },
};

export class ProgressView {
  readonly #bar = byId('bar', HTMLProgressElement);
  readonly #phase = byId('phase', HTMLParagraphElement);
  readonly #status = byId('status', HTMLParagraphElement);
  #slow: ReturnType<typeof setTimeout> | undefined;

  at({ phase, place }: Progress): void {
    const { at, text } = PHASES[phase];
    this.#show(at, phase, place === undefined ? text : `${text} at place ${place}`, true);
  }

  /** Nothing is under way. @param text to be shown and said */
  rest(text: string, done = false): void {
    this.#show(done ? this.#bar.max : 0, 'rest', text, false);
  }

  #show(at: number, name: string, text: string, underWay: boolean): void {
    clearTimeout(this.#slow);
    this.#bar.value = at;
    this.#bar.dataset.phase = name;
    const shown = underWay ? `${text} …` : text;
    this.#phase.textContent = shown || '\u00a0';
    if (this.#status.textContent !== text) this.#status.textContent = text;
    if (!underWay) return;
    this.#slow = setTimeout(() => {
      const slow = `${text}: it takes long, the network or the servers are slow. You can wait, or stop.`;
      this.#phase.textContent = slow;
      this.#status.textContent = slow;
    }, SLOW_MS);
  }
}
