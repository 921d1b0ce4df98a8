/** Where a run's time went at this node, in the trace event format that Chrome and Perfetto read: times and no data. */
import type { NodeName } from '../../errors.js';
import type { TracedRun } from './recent-runs.js';
import { shownName } from './shown.js';

interface Slice {
  name: string;
  ph: 'X';
  pid: 1;
  tid: number;
  /** microseconds */
  ts: number;
  dur: number;
  args?: Record<string, number>;
}
interface Naming {
  name: 'process_name' | 'thread_name';
  ph: 'M';
  pid: 1;
  tid: number;
  args: { name: string };
}

export interface RunTraceFile {
  displayTimeUnit: 'ms';
  traceEvents: (Slice | Naming)[];
  otherData: Record<string, string | number>;
}

const [PHASES, WORK] = [1, 2] as const;

/**
 * Phases on one line: queue, prepare, what it waited for its client (start), online. On another, from the start of the
 * computation on, what each operation took in all and what was waited for the other party: sums laid end to end, for a
 * node does not keep when each stretch began.
 */
export function traceOf(run: TracedRun, node: NodeName): RunTraceFile {
  const { id, ended, outcome, program, model, ms, waitMs, prepareMs, onlineMs, peerMs, work } = run;
  const micros = (t: number) => Math.round(1000 * t);
  const events: RunTraceFile['traceEvents'] = [
    naming('process_name', 0, node),
    naming('thread_name', PHASES, 'phases'),
  ];
  const slice = (tid: number, name: string, from: number, length: number, args?: Slice['args']) => {
    if (length <= 0) return;
    events.push({ name, ph: 'X', pid: 1, tid, ts: micros(from), dur: micros(length), ...(args && { args }) });
  };
  slice(PHASES, 'queue', 0, waitMs);
  slice(PHASES, 'prepare', waitMs, prepareMs);
  slice(PHASES, 'start', waitMs + prepareMs, onlineMs > 0 ? ms - onlineMs - waitMs - prepareMs : 0);
  slice(PHASES, 'online', ms - onlineMs, onlineMs);
  if (work) {
    events.push(naming('thread_name', WORK, 'online, summed by operation'));
    let at = ms - onlineMs;
    for (const { op, ms: took, bytes, rounds } of [...work].sort((a, b) => b.ms - a.ms)) {
      slice(WORK, shownName(op), at, took, { bytes, rounds });
      at += took;
    }
    slice(WORK, 'waiting for the other party', at, peerMs ?? 0);
  }
  return {
    displayTimeUnit: 'ms',
    traceEvents: events,
    otherData: {
      node,
      run: id,
      began: new Date(ended - ms).toISOString(),
      outcome,
      program,
      ...(model !== undefined && { model }),
    },
  };
}

function naming(name: Naming['name'], tid: number, text: string): Naming {
  return { name, ph: 'M', pid: 1, tid, args: { name: text } };
}
