/** What the page has been told since it was opened, as columns of plots. */
import type { Beat } from '../src/operation/dashboard/dashboard.js';
import type { Columns } from './plots.js';

/** Ten minutes of seconds: what a plot of some hundred pixels shows. */
const MOST = 600;

export interface Moment extends Pick<Beat, 'time' | 'waiting' | 'underWay' | 'pool' | 'memory'> {
  /** bytes a second over all links; 0 for the first beat, which has none before it */
  sent: number;
  received: number;
}

export class History {
  readonly #moments: Moment[] = [];
  #last: Beat | undefined;

  add(beat: Beat): Moment {
    const moved = (way: 'sent' | 'received') => beat.links.reduce((n, link) => n + link[way], 0);
    const before = this.#last;
    const rate = (way: 'sent' | 'received') => {
      if (!before || beat.time <= before.time) return 0;
      const then = before.links.reduce((n, link) => n + link[way], 0);
      return (1000 * Math.max(0, moved(way) - then)) / (beat.time - before.time);
    };
    const { time, waiting, underWay, pool, memory } = beat;
    const moment: Moment = { time, waiting, underWay, pool, memory, sent: rate('sent'), received: rate('received') };
    this.#moments.push(moment);
    if (this.#moments.length > MOST) this.#moments.shift();
    this.#last = beat;
    return moment;
  }

  /** Seconds since 1970, and for each of them what is asked of it. */
  columns(...of: ((m: Moment) => number)[]): Columns {
    return [this.#moments.map(({ time }) => time / 1000), ...of.map((f) => this.#moments.map(f))];
  }
}
