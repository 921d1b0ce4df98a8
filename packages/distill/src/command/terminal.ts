/** How far a training is, on a terminal: a bar with the loss and the time left; elsewhere a line each tenth. */
import { Presets, SingleBar } from 'cli-progress';
import type { TrainingProgress } from '../train/trainer.js';

/** Where a command prints. */
export interface Terminal {
  /** a line of the answer, for standard output */
  out(line: string): void;
  /** a line about what is going on, for standard error */
  err(line: string): void;
  /** where a bar may be drawn; undefined: lines are printed */
  bar: NodeJS.WriteStream | undefined;
}

export const standard: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  bar: process.stderr.isTTY ? process.stderr : undefined,
};

/** 75 s is '1:15', 4000 s '1:06:40'. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

const FORMAT = '{bar} {value}/{total} {stage}  loss {loss}  {measured}left {left}';

export class ProgressBar {
  readonly #terminal: Terminal;
  #bar: SingleBar | undefined;
  #tenths = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show({ step, steps, stage, loss, last, secondsLeft, fitted }: TrainingProgress): void {
    if (fitted) {
      // A line is enough: each layer of BERT-base takes half a minute
      this.stop();
      const { layer, layers } = fitted;
      this.#terminal.err(`attention fitted, layer ${layer} of ${layers}, ${clock(secondsLeft)} left`);
      return;
    }
    const [metric, value] = Object.entries(last?.metrics ?? {})[0] ?? [];
    const measured = metric === undefined ? '' : `${metric} ${value!.toFixed(4)}  `;
    const shown = { stage, loss: loss.toPrecision(4), measured, left: clock(secondsLeft) };
    if (this.#terminal.bar) {
      if (!this.#bar) {
        const options = { format: FORMAT, stream: this.#terminal.bar, clearOnComplete: true, hideCursor: true };
        this.#bar = new SingleBar(options, Presets.shades_classic);
        this.#bar.start(steps, step, shown);
      }
      this.#bar.update(step, shown);
      return;
    }
    const tenths = Math.floor((10 * step) / steps);
    if (tenths <= this.#tenths && step > 1) return;
    this.#tenths = tenths;
    this.#terminal.err(`step ${step} of ${steps}, ${stage}: loss ${shown.loss}, ${measured}${shown.left} left`);
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
