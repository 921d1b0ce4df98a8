/** What the node tells as it happens. */
import type { Beat } from '../src/operation/dashboard/dashboard.js';
import type { ShownRun } from '../src/operation/dashboard/recent-runs.js';

export interface Listener {
  /** told when a connection is there, the first one included */
  open: () => void;
  state: (beat: Beat) => void;
  run: (run: ShownRun) => void;
  /** told when there is none */
  lost: () => void;
}

/** Where the browser has given up by itself, as where the node had too many pages. */
const AGAIN_MS = 5_000;
/** A node that says nothing for so long is not there. */
const SILENT_MS = 6_000;

export function listen(to: Listener): void {
  const events = new EventSource('/events');
  let silent = setTimeout(again, SILENT_MS);
  let over = false;
  function again(): void {
    if (over) return;
    over = true;
    clearTimeout(silent);
    events.close();
    to.lost();
    setTimeout(listen, AGAIN_MS, to);
  }
  const heard = () => {
    clearTimeout(silent);
    silent = setTimeout(again, SILENT_MS);
  };
  events.addEventListener('open', () => to.open());
  events.addEventListener('state', ({ data }) => {
    heard();
    to.state(JSON.parse(data) as Beat);
  });
  events.addEventListener('run', ({ data }) => to.run(JSON.parse(data) as ShownRun));
  events.addEventListener('error', again);
}
