/** The dashboard of one node: reads all of its state once, and then what changes, once a second. */
import type { Beat, Snapshot } from '../src/operation/dashboard/dashboard.js';
import type { Figures } from '../src/operation/dashboard/figures.js';
import { byId } from './dom.js';
import { bytes, count, rate, seconds, titled } from './format.js';
import { History } from './history.js';
import { Models } from './models.js';
import { Plot } from './plots.js';
import { Runs } from './runs.js';
import { listen } from './stream.js';
import { showTiles } from './tiles.js';
import { showCodes, showLinks, showNotes } from './troubles.js';

const history = new History();
const runs = new Runs();
const models = new Models();
const nothing = 'Waiting for the first figures.';
const plots = {
  queue: new Plot(byId('plot-queue'), {
    title: 'Queue',
    lines: [
      { label: 'under way', tone: 'accent', says: count },
      { label: 'waiting', tone: 'neutral', says: count },
    ],
    axis: (v) => (Number.isInteger(v) ? count(v) : ''),
    none: nothing,
  }),
  pool: new Plot(byId('plot-pool'), {
    title: 'Runs prepared ahead',
    lines: [{ label: 'prepared', tone: 'accent', says: count }],
    axis: (v) => (Number.isInteger(v) ? count(v) : ''),
    none: nothing,
  }),
  traffic: new Plot(byId('plot-traffic'), {
    title: 'Traffic of all links',
    lines: [
      { label: 'sent', tone: 'accent', says: rate },
      { label: 'received', tone: 'neutral', says: rate },
    ],
    axis: rate,
    least: 1_000,
    none: nothing,
  }),
  memory: new Plot(byId('plot-memory'), {
    title: 'Memory',
    lines: [
      { label: 'process', tone: 'neutral', says: bytes },
      { label: 'promised to runs', tone: 'accent-soft', says: bytes },
      { label: 'held', tone: 'accent', says: bytes },
    ],
    axis: bytes,
    none: nothing,
  }),
};

/** How often it is read for the sake of each model's number of runs. */
const READ_MS = 5_000;

/** What all of the state was read for, so that it is read again when that has changed. */
let known = { noted: 0, served: -1, missing: -1, runs: 0, at: 0 };
let about: Pick<Snapshot, 'release' | 'started'> | undefined;
let reading = false;

async function readAll(): Promise<void> {
  if (reading) return;
  reading = true;
  try {
    const response = await fetch('/state');
    const all = (await response.json()) as Snapshot;
    const { node, release, protocol, runtime, figures, notes } = all;
    about = all;
    document.title = `${titled(node)} · SecFormer`;
    byId('node').textContent = titled(node);
    byId('versions').textContent = `SecFormer ${release} · protocol ${protocol} · Node.js ${runtime}`;
    runs.replace(all.runs, all.traces);
    models.show(all);
    showNotes(notes);
    known = { noted: notes.at(-1)?.time ?? 0, ...figures.models, runs: sum(figures.runs), at: figures.time };
    show(figures);
  } finally {
    reading = false;
  }
}

function show(f: Figures): void {
  showTiles(f, runs.all);
  showCodes(f);
  showLinks(f);
  if (about) {
    const up = seconds(Math.max(0, Math.round((f.time - about.started) / 1000)));
    byId('about').textContent = `SecFormer ${about.release}, up for ${up}`;
  }
}

function showStatus(state: 'waiting' | 'ready' | 'wrong', text: string): void {
  byId('status').dataset.state = state;
  // A screen reader says what changes
  if (byId('status-text').textContent !== text) byId('status-text').textContent = text;
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((n, v) => n + v, 0);

function isNews({ noted, models: { served, missing }, runs: ended, time }: Beat): boolean {
  if (noted !== known.noted || served !== known.served || missing !== known.missing) return true;
  return sum(ended) !== known.runs && time - known.at > READ_MS;
}

function wrongWith(beat: Beat): string[] {
  const { missing } = beat.models;
  return [
    ...beat.links.flatMap(({ node, up }) => (up === false ? [`${titled(node)} is not connected`] : [])),
    ...(beat.draining ? ['The node is being stopped'] : []),
    ...(missing > 0 ? [`${missing} model${missing === 1 ? ' is' : 's are'} not served`] : []),
  ];
}

// What scrolls is reached by keys, too
document.querySelectorAll<HTMLElement>('.scroll').forEach((part) => {
  part.tabIndex = 0;
});

listen({
  open: () => void readAll().catch(() => {}),
  state: (beat) => {
    history.add(beat);
    show(beat);
    const wrong = wrongWith(beat);
    if (wrong.length > 0) showStatus('wrong', wrong.join(' · '));
    else if (beat.engineMs === undefined) showStatus('ready', 'Ready, and computing');
    else showStatus('ready', 'Ready');
    plots.queue.show(
      history.columns(
        (m) => m.underWay,
        (m) => m.waiting,
      ),
    );
    plots.pool.show(history.columns((m) => m.pool.runs));
    plots.traffic.show(
      history.columns(
        (m) => m.sent,
        (m) => m.received,
      ),
    );
    plots.memory.show(
      history.columns(
        (m) => m.memory.process,
        (m) => m.memory.reserved,
        (m) => m.memory.held,
      ),
    );
    if (isNews(beat)) void readAll().catch(() => {});
  },
  run: (run) => runs.add(run),
  lost: () => showStatus('wrong', 'This page has lost the node, and tries again'),
});
