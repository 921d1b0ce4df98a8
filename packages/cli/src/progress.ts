/** How far a command is: a bar on a terminal, lines elsewhere. */
import type { AskProgress, PublishProgress } from '@secformer/tfjs-mpc-backend';
import { Presets, SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.js';

/** What the phases of a publication are called. */
const PHASES: Readonly<Record<string, string>> = {
  tracing: 'recording the model',
  sharing: 'sharing its weights',
  opening: 'opening what is masked once for all runs',
  sending: 'sending programs',
  staging: 'storing it at the nodes',
  committing: 'making it visible',
};

/** Of a command, one at a time. */
export class Progress {
  readonly #terminal: Terminal;
  #bar: SingleBar | undefined;
  #shown = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** One phase after another, each with its own bar. */
  publishing({ phase, done, of }: PublishProgress): void {
    const name = PHASES[phase];
    if (name === undefined) {
      this.stop();
      return;
    }
    const counted = of > 1 ? `${name}, ${Math.min(done + 1, of)} of ${of}` : name;
    // The end of a phase says nothing that its last step has not said
    if (this.#terminal.bar) this.#draw(name, done, of);
    else if (done < of || of === 0) this.#line(counted);
  }

  /** A bar of rounds; elsewhere than on a terminal, only that others come first. */
  asking({ phase, place, round, of }: AskProgress): void {
    const waiting = phase === 'waiting' && place !== undefined;
    const name = waiting ? `waiting at place ${place}` : phase;
    if (phase === 'done') this.stop();
    else if (this.#terminal.bar) this.#draw(name, round ?? 0, of ?? 1);
    else if (waiting) this.#line(name);
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#shown = '';
  }

  #line(text: string): void {
    if (text !== this.#shown) this.#terminal.err(text);
    this.#shown = text;
  }

  #draw(name: string, done: number, of: number): void {
    const total = Math.max(of, 1);
    if (this.#bar && this.#shown === name) {
      this.#bar.setTotal(total);
      this.#bar.update(done);
      return;
    }
    this.stop();
    this.#shown = name;
    this.#bar = new SingleBar(
      { format: '{bar} {value}/{total} {name}', stream: this.#terminal.bar!, clearOnComplete: true, hideCursor: true },
      Presets.shades_classic,
    );
    this.#bar.start(total, done, { name });
  }
}
