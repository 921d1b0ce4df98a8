/** Where a party's time goes in a run: its work by operation, and waiting for the other party. */

/**
 * What one logical operation took at this node. Times are local work; waiting for the other side is `waitMs` of the
 * run.
 */
export interface OperationCost {
  op: string;
  ms: number;
  /** sent by this party */
  bytes: number;
  rounds: number;
}

/** A stretch of a party's time: one operation's work of a round, or waiting for the other party. */
export interface TraceEvent {
  name: string;
  /** milliseconds since 1970, with fractions */
  start: number;
  ms: number;
  round: number;
  /** sent by this party in the round, for waits */
  bytes?: number;
}

/** How a party's time went in a run, in milliseconds, and what it sent, in bytes. */
export interface RunTrace {
  perOp: Map<string, OperationCost>;
  waitMs: number;
  bytesSent: number;
  rounds: number;
  /** every stretch of time, where it is kept */
  events?: TraceEvent[];
}

/** A trace of nothing yet. @param events whether every stretch of time is kept too */
export function newTrace(events = false): RunTrace {
  return { perOp: new Map(), waitMs: 0, bytesSent: 0, rounds: 0, ...(events && { events: [] }) };
}

/** Adds a stretch that ends now; what continues the last one makes it longer. */
export function note({ events }: RunTrace, name: string, ms: number, round: number, bytes?: number): void {
  if (!events) return;
  const start = performance.timeOrigin + performance.now() - ms;
  const last = events.at(-1);
  if (last && last.name === name && last.round === round && bytes === undefined) last.ms = start + ms - last.start;
  else events.push({ name, start, ms, round, ...(bytes !== undefined && { bytes }) });
}

function costOf(trace: RunTrace, op: string): OperationCost {
  let c = trace.perOp.get(op);
  if (!c) {
    c = { op, ms: 0, bytes: 0, rounds: 0 };
    trace.perOp.set(op, c);
  }
  return c;
}

/** Counts the work on an operation since `start`. */
export function worked(trace: RunTrace, tag: string, start: number, round: number): OperationCost {
  const ms = performance.now() - start;
  const cost = costOf(trace, tag);
  cost.ms += ms;
  note(trace, tag, ms, round);
  return cost;
}
