/** How far a command is: a bar on a terminal, lines elsewhere. */
import type { PublishProgress, RunProgress } from '@secformer/tfjs-mpc-backend';
import { Presets, SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.js';

/** What the phases of a publication are called. */
const PHASES: Readonly<Record<Exclude<PublishProgress['phase'], 'done'>, string>> = {
  tracing: 'recording the model',
  connecting: 'connecting',
  sharing: 'sharing its tensors',
  opening: 'opening what all runs have masked alike',
  sending: 'sending programs',
  staging: 'storing it at the nodes',
  committing: 'making it visible',
};

/** Of a command, one at a time. */
export class Progress {
  readonly #terminal: Terminal;
  #bar: SingleBar | undefined;
  /** what the bar, or the last line, is about */
  #shown = '';
  /** tenths of a phase that lines have said */
  #tenths = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** One phase after another: each with its own bar, or a line and one more for each tenth. */
  publishing({ phase, done, of }: PublishProgress): void {
    if (phase === 'done') {
      this.stop();
      return;
    }
    const name = PHASES[phase] ?? phase;
    if (this.#terminal.bar) {
      this.#draw(name, done, of);
      return;
    }
    const tenths = Math.floor((10 * done) / Math.max(of, 1));
    if (name === this.#shown && tenths <= this.#tenths) return;
    this.#tenths = tenths;
    this.#shown = name;
    this.#terminal.err(of > 1 && done < of ? `${name}: ${done + 1} of ${of}` : name);
  }

  /** A line that changes; elsewhere than on a terminal, only that others come first. */
  asking({ phase, place, done, of }: RunProgress): void {
    const waiting = phase === 'waiting' && place !== undefined;
    const name = waiting ? `waiting at place ${place}` : phase;
    if (phase === 'done') this.stop();
    else if (this.#terminal.bar && phase === 'running' && of !== undefined)
      this.#draw('running', done ?? 0, of, '{bar} round {value} of {total}');
    else if (this.#terminal.bar) this.#draw(name, 0, 1, '{name} …');
    else if (waiting && name !== this.#shown) this.#terminal.err(name);
    if (waiting) this.#shown = name;
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#shown = '';
  }

  #draw(name: string, done: number, of: number, format = '{bar} {value}/{total} {name}'): void {
    const total = Math.max(of, 1);
    if (this.#bar && this.#shown === name) {
      this.#bar.setTotal(total);
      this.#bar.update(done);
      return;
    }
    this.stop();
    this.#shown = name;
    const options = { format, stream: this.#terminal.bar!, clearOnComplete: true, hideCursor: true };
    this.#bar = new SingleBar(options, Presets.shades_classic);
    this.#bar.start(total, done, { name });
  }
}
