/** Plots over time, and bars, in the page's colours. */
import { make } from './dom.js';
import { timeOfDay } from './format.js';
import uPlot from './uplot.js';

/** Colours of the style sheet, so that there is one place for them. */
export type Tone = 'accent' | 'accent-soft' | 'neutral';

export interface Line {
  label: string;
  tone: Tone;
  /** in a reading's words */
  says: (value: number) => string;
}

export interface PlotOptions {
  title: string;
  lines: readonly Line[];
  height?: number;
  /** lines lie on one another, as bars; otherwise they are steps over time */
  bars?: boolean;
  /** of the values' axis */
  axis: (value: number) => string;
  /** the axis reaches at least to here; 1 if absent */
  least?: number;
  /** what a bar stands for */
  place?: (index: number) => string;
  none: string;
}

/** Columns of numbers, places first; bars are given as they are, not summed. */
export type Columns = [number[], ...number[][]];

/** No plot is worth fewer pixels. */
const LEAST_WIDTH = 160;

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A plot in a figure, with a caption that says in words what it shows last, or where the pointer is. */
export class Plot {
  readonly #o: PlotOptions;
  readonly #box: HTMLElement;
  readonly #readings: HTMLElement[];
  readonly #where: HTMLElement;
  readonly #none: HTMLElement;
  #plot: uPlot | undefined;
  #columns: Columns;

  constructor(figure: HTMLElement, options: PlotOptions) {
    this.#o = options;
    this.#columns = [[], ...options.lines.map(() => [])];
    this.#readings = options.lines.map(() => make('b', {}, '–'));
    this.#where = make('span', { class: 'quiet' });
    this.#none = make('p', { class: 'empty' }, options.none);
    const low = options.height !== undefined && options.height < 160;
    this.#box = make('div', { class: low ? 'plot low' : 'plot', role: 'img', 'aria-label': options.title }, this.#none);
    const keys = options.lines.map(({ label, tone }, i) =>
      make('span', { class: 'key' }, make('i', { 'data-tone': tone }), label, this.#readings[i]!),
    );
    figure.replaceChildren(make('figcaption', {}, make('strong', {}, options.title), this.#where, ...keys), this.#box);
    new ResizeObserver(() => this.#resize()).observe(this.#box);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  show(columns: Columns): void {
    this.#columns = columns;
    const empty = columns[0].length === 0;
    this.#none.hidden = !empty;
    if (empty) return;
    if (this.#plot) this.#plot.setData(this.#stacked());
    else this.#draw();
    if (this.#plot?.cursor.idx == null) this.#read(columns[0].length - 1);
    const readings = this.#o.lines.map(({ label }, i) => `${label} ${this.#readings[i]!.textContent}`);
    this.#box.setAttribute('aria-label', `${this.#o.title}: ${readings.join(', ')}`);
  }

  #read(index: number): void {
    this.#o.lines.forEach(({ says }, i) => {
      const value = this.#columns[i + 1]![index];
      this.#readings[i]!.textContent = value === undefined ? '–' : says(value);
    });
    this.#where.textContent = this.#o.place?.(index) ?? '';
  }

  /** Of bars each column's values on top of those of the columns before it. */
  #stacked(): uPlot.AlignedData {
    if (!this.#o.bars) return this.#columns;
    const [places, ...parts] = this.#columns;
    const sums: number[][] = [];
    for (const part of parts) {
      const below = sums.at(-1);
      sums.push(part.map((v, i) => v + (below?.[i] ?? 0)));
    }
    // What reaches highest is drawn first
    return [places, ...sums.reverse()];
  }

  #resize(): void {
    const width = this.#width;
    if (this.#plot && width !== this.#plot.width) this.#plot.setSize({ width, height: this.#height });
  }

  get #width(): number {
    return Math.max(LEAST_WIDTH, Math.floor(this.#box.clientWidth));
  }

  get #height(): number {
    return this.#o.height ?? 160;
  }

  #draw(): void {
    if (this.#columns[0].length === 0) return;
    this.#plot?.destroy();
    const { lines, bars, axis, least = 1 } = this.#o;
    const [quiet, grid] = [colour('quiet'), colour('grid')];
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const series = (bars ? [...lines].reverse() : lines).map(({ label, tone }): uPlot.Series => {
      const stroke = colour(tone);
      return bars
        ? { label, fill: stroke, paths: uPlot.paths.bars!({ size: [0.7, 28], radius: 0.1 }), points: { show: false } }
        : { label, stroke, width: 1.75, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } };
    });
    const common = { stroke: quiet, font, ticks: { show: false } };
    this.#plot = new uPlot(
      {
        width: this.#width,
        height: this.#height,
        padding: [8, bars ? 8 : 28, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: !bars }, drag: { x: false, y: false } },
        scales: {
          x: bars ? { time: false, range: (_, low, high) => [low - 0.6, high + 0.6] } : { time: true },
          y: { range: (_, __, high) => [0, Math.max(least, 1.1 * high)] },
        },
        axes: [
          {
            ...common,
            grid: { show: false },
            size: 28,
            ...(bars
              ? { space: 40, incrs: [1, 2, 5, 10, 20, 50, 100] }
              : { space: 90, values: (_, splits) => splits.map((s) => timeOfDay(1000 * s)) }),
          },
          {
            ...common,
            grid: { stroke: grid, width: 1 },
            size: (_, values) => 14 + 7 * Math.max(3, ...(values ?? []).map((v) => v.length)),
            values: (_, splits) => splits.map(axis),
            space: 36,
          },
        ],
        series: [{}, ...series],
        hooks: {
          setCursor: [(u) => this.#read(u.cursor.idx ?? this.#columns[0].length - 1)],
        },
      },
      this.#stacked(),
      this.#box,
    );
  }
}
