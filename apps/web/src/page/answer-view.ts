/** An answer, or why there is none. */
import type { Answered, Cost, Failed, Verdict } from '../messages.js';
import { byId, made } from './elements.js';
import { bytesText, percentText, timeText } from './figures.js';
import { explained } from './words.js';

/** Labels that are shown with their probabilities, the most probable ones. */
const SHOWN = 6;

export class AnswerView {
  readonly #answer = byId('answer', HTMLElement);
  readonly #label = byId('label', HTMLElement);
  readonly #share = byId('share', HTMLSpanElement);
  readonly #scores = byId('scores', HTMLUListElement);
  readonly #cut = byId('cut', HTMLParagraphElement);
  readonly #figures = byId('figures', HTMLDListElement);
  readonly #failure = byId('failure', HTMLElement);

  /** What had failed does not any more. */
  mended(): void {
    this.#failure.hidden = true;
  }

  /** Another question begins. */
  clear(): void {
    this.mended();
    this.#answer.dataset.old = '';
  }

  /** @param sent bytes that have left this page for it. @returns it in a line */
  show({ verdict, cost, truncated }: Answered, sent: number): string {
    this.#failure.hidden = true;
    this.#answer.hidden = false;
    delete this.#answer.dataset.old;
    this.#cut.hidden = !truncated;
    this.#scores.replaceChildren();
    const [label, share] = headlineOf(verdict);
    this.#label.textContent = label;
    this.#share.textContent = share;
    if (verdict.kind === 'label') this.#bars(verdict.scores);
    this.#figures.replaceChildren(...figuresOf(cost, sent));
    return `Answer: ${label}, ${share}`;
  }

  fail(failed: Failed): void {
    const { title, remedy } = explained(failed);
    byId('failure-title', HTMLHeadingElement).textContent = title;
    byId('failure-remedy', HTMLParagraphElement).textContent = remedy;
    byId('failure-detail', HTMLParagraphElement).textContent = `${failed.message} (${failed.code})`;
    byId('failure-more', HTMLDetailsElement).hidden = failed.code === 'STOPPED';
    this.#answer.hidden = true;
    this.#failure.hidden = false;
  }

  #bars(scores: readonly { label: string; probability: number }[]): void {
    const first = scores.toSorted((a, b) => b.probability - a.probability).slice(0, SHOWN);
    for (const { label, probability } of first) {
      const bar = made('span', 'bar');
      bar.style.setProperty('--share', `${100 * probability}%`);
      this.#scores.append(made('li', '', made('bdi', '', label), bar, made('span', '', percentText(probability))));
    }
  }
}

function headlineOf(verdict: Verdict): [string, string] {
  if (verdict.kind === 'label') return [verdict.label, `${percentText(verdict.probability)} sure`];
  const { cosine } = verdict;
  if (!Number.isFinite(cosine)) return ['no similarity', 'one of the two has no direction'];
  const word =
    cosine > 0.8 ? 'very similar' : cosine > 0.5 ? 'similar' : cosine > 0.25 ? 'somewhat related' : 'unrelated';
  return [word, `cosine ${cosine.toFixed(3)}`];
}

function figuresOf({ ms, rounds, between, dealt }: Cost, sent: number): HTMLElement[] {
  const pairs: [string, string][] = [
    ['Time', timeText(ms)],
    ['Rounds between the servers', String(rounds)],
    ['Sent by this page', bytesText(sent)],
    ['Between Server A and Server B', bytesText(between)],
    ['Randomness from Server C', bytesText(dealt)],
  ];
  return pairs.map(([name, value]) => made('div', '', made('dt', '', name), made('dd', '', value)));
}
