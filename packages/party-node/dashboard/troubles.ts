/** What was refused and what failed, and the links to others. */
import type { Figures } from '../src/operation/dashboard/figures.js';
import type { Note } from '../src/operation/dashboard/notes.js';
import { byId, cell, fillRows, make, numberCell } from './dom.js';
import { bytes, count, timeOfDay, titled } from './format.js';

const NOTES = 20;

export function showCodes({ runs, refused }: Figures): void {
  const failed = Object.entries(runs).flatMap(([code, n]) => (code === 'OK' ? [] : [{ code, rule: 'run', count: n }]));
  const all = [...failed, ...refused].sort((a, b) => b.count - a.count);
  const rows = all.map(({ code, rule, count: n }) =>
    make('tr', {}, make('th', { scope: 'row' }, code), cell(rule), numberCell(count(n))),
  );
  fillRows(byId('codes'), rows, 'Nothing was refused, and no run failed.', 3);
}

export function showNotes(notes: readonly Note[]): void {
  const last = notes.slice(-NOTES).reverse();
  const rows = last.map(({ time, event, code, node }) =>
    make('tr', {}, cell(timeOfDay(time)), cell(event), cell(code ?? '–'), cell(node ? titled(node) : '–')),
  );
  fillRows(byId('notes'), rows, 'The log has no trouble.', 4);
}

export function showLinks({ links, clients }: Figures): void {
  const rows = links.map(({ node, up, sent, received }) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, node === 'client' ? 'Clients' : titled(node)),
      up === undefined
        ? cell(`${count(clients)} connected`)
        : cell(up ? 'connected' : 'not connected', up ? undefined : 'bad'),
      numberCell(bytes(sent)),
      numberCell(bytes(received)),
    ),
  );
  fillRows(byId('links'), rows, 'There are no links.', 4);
}
