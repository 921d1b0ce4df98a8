/** The figures that an operator looks at first. */
import type { Figures } from '../src/operation/dashboard/figures.js';
import type { ShownRun } from '../src/operation/dashboard/recent-runs.js';
import { byId, make } from './dom.js';
import { bytes, count, median, ms, percent } from './format.js';

interface Tile {
  name: string;
  value: string;
  also: string;
  bad?: boolean;
}

export function showTiles(f: Figures, runs: readonly ShownRun[]): void {
  const all = Object.values(f.runs).reduce((n, v) => n + v, 0);
  const ok = f.runs.OK ?? 0;
  const online = median(runs.flatMap(({ outcome, onlineMs }) => (outcome === 'OK' ? [onlineMs] : [])));
  const { limit, held, reserved } = f.memory;
  const failed = all - ok;
  const tiles: Tile[] = [
    { name: 'Completed runs', value: count(ok), also: `${count(failed)} ended otherwise`, bad: failed > 0 },
    {
      name: 'Median time online',
      value: online === undefined ? '–' : ms(online),
      also: `of the last ${count(runs.length)} runs`,
    },
    { name: 'Under way', value: count(f.underWay), also: `${count(f.waiting)} waiting for a turn` },
    { name: 'Prepared runs', value: count(f.pool.runs), also: `hold ${bytes(f.pool.bytes)}` },
    { name: 'Clients', value: count(f.clients), also: 'connected' },
    {
      name: 'Memory',
      value: limit > 0 ? percent((held + reserved) / limit) : '–',
      also: `used of ${bytes(limit)}`,
    },
  ];
  byId('tiles').replaceChildren(
    ...tiles.map(({ name, value, also, bad }) =>
      make(
        'div',
        {},
        make('dt', {}, name),
        make('dd', {}, value),
        make('dd', { class: bad ? 'also bad' : 'also' }, also),
      ),
    ),
  );
}
