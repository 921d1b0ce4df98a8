/** Runs that are over: where their time went, as bars and as a table. */
import type { ShownRun } from '../src/operation/dashboard/recent-runs.js';
import { byId, cell, fillRows, make, numberCell } from './dom.js';
import { ms, timeOfDay } from './format.js';
import { openInPerfetto } from './perfetto.js';
import { type Columns, Plot } from './plots.js';

/** Rows of the table, and bars of the plot: as many as a screen has room for. */
const ROWS = 30;
const BARS = 60;
const COLUMNS = 9;

export class Runs {
  #all: ShownRun[] = [];
  #traces = 0;
  #most = Number.POSITIVE_INFINITY;
  #drawing: number | undefined;
  readonly #plot: Plot;

  constructor() {
    this.#plot = new Plot(byId('plot-phases'), {
      title: 'Where the time of the last runs went',
      bars: true,
      lines: [
        { label: 'queue', tone: 'neutral', says: ms },
        { label: 'prepare', tone: 'accent-soft', says: ms },
        { label: 'online', tone: 'accent', says: ms },
      ],
      axis: ms,
      place: (index) => {
        const run = this.#bars[index];
        return run ? `run ${run.id}, ${run.model ?? 'own program'}, ${run.outcome}` : '';
      },
      none: 'No run is over yet.',
    });
  }

  /** The last runs, oldest first. */
  get all(): readonly ShownRun[] {
    return this.#all;
  }

  /** Begins anew with what the node has. */
  replace(runs: ShownRun[], traces: number): void {
    this.#all = runs;
    this.#traces = traces;
    this.#most = Math.max(runs.length, BARS);
    this.#showSoon();
  }

  add(run: ShownRun): void {
    // The node's list may have had it already
    if (this.#all.some(({ id }) => id === run.id)) return;
    this.#all.push(run);
    if (this.#all.length > this.#most) this.#all.shift();
    this.#showSoon();
  }

  /** Runs may come by the hundred a second: they are drawn as often as the screen is, and not while it is hidden. */
  #showSoon(): void {
    this.#drawing ??= requestAnimationFrame(() => this.#show());
  }

  get #bars(): ShownRun[] {
    return this.#all.slice(-BARS);
  }

  #show(): void {
    this.#drawing = undefined;
    const bars = this.#bars;
    const columns: Columns = [
      bars.map(({ id }) => id),
      bars.map(({ waitMs }) => waitMs),
      bars.map(({ prepareMs }) => prepareMs),
      bars.map(({ onlineMs }) => onlineMs),
    ];
    this.#plot.show(columns);
    const last = this.#all.at(-1)?.id ?? 0;
    const rows = this.#all.slice(-ROWS).reverse();
    fillRows(
      byId('runs'),
      rows.map((run) => rowOf(run, run.id > last - this.#traces)),
      'No run is over yet.',
      COLUMNS,
    );
  }
}

/** One that the run has not come to is none. */
const phase = (took: number) => (took === 0 ? '–' : ms(took));

function rowOf(run: ShownRun, traced: boolean): HTMLElement {
  const { id, ended, model, program, outcome, waitMs, prepareMs, onlineMs } = run;
  return make(
    'tr',
    {},
    make('th', { scope: 'row', class: 'number' }, String(id)),
    cell(timeOfDay(ended), 'roomy'),
    cell(model ?? `own program ${program.slice(0, 6)}`),
    cell(outcome, outcome === 'OK' ? undefined : 'bad'),
    cell(phase(waitMs), 'number roomy'),
    cell(phase(prepareMs), 'number roomy'),
    numberCell(phase(onlineMs)),
    numberCell(ms(run.ms)),
    traced ? traceCell(id) : cell(''),
  );
}

function traceCell(id: number): HTMLElement {
  const path = `/runs/${id}/trace.json`;
  const open = make(
    'button',
    { type: 'button', class: 'link', 'aria-label': `Open the trace of run ${id} in Perfetto` },
    'Perfetto',
  );
  open.addEventListener('click', async () => {
    const opened = await openInPerfetto(path, `run ${id}`);
    if (!opened) byId('runs-note').textContent = 'Perfetto did not take the trace: get the file, and open it there.';
  });
  const name = `run-${id}.json`;
  return make(
    'td',
    {},
    open,
    make('a', { href: path, download: name, 'aria-label': `Trace of run ${id} as a file` }, 'File'),
  );
}
