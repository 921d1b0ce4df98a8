import type { RunRecord } from '@secformer/party-node';

interface Event {
  name: string;
  ph: 'X' | 'M';
  pid: number;
  tid: number;
  ts?: number;
  dur?: number;
  args?: Record<string, unknown>;
}

/**
 * Timelines in the trace event format (JSON object form), microseconds from the first event: a process for each node,
 * waiting on a thread of its own.
 */
export function perfetto(traces: NonNullable<RunRecord['traces']>): { traceEvents: Event[]; displayTimeUnit: 'ms' } {
  const first = Math.min(...traces.flatMap(({ events }) => events.map((e) => e.start)));
  const traceEvents = traces.flatMap(({ node, events }, pid): Event[] => [
    { name: 'process_name', ph: 'M', pid, tid: 0, args: { name: node } },
    { name: 'thread_name', ph: 'M', pid, tid: 0, args: { name: 'work' } },
    { name: 'thread_name', ph: 'M', pid, tid: 1, args: { name: 'waiting for the other party' } },
    ...events.map((e): Event => {
      const args = { round: e.round, ...(e.bytes !== undefined && { bytes: e.bytes }) };
      return {
        name: e.name,
        ph: 'X',
        pid,
        tid: e.name === 'wait' ? 1 : 0,
        ts: (e.start - first) * 1000,
        dur: e.ms * 1000,
        args,
      };
    }),
  ]);
  return { traceEvents, displayTimeUnit: 'ms' };
}
