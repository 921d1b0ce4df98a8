import { PerformanceObserver } from 'node:perf_hooks';

/** What this process takes beside computing, in milliseconds. */
export interface Spent {
  /** of the processor in the system's name, by all of its threads */
  systemMs: number;
  /** by V8's collector, of the thread that asks */
  collectorMs: number;
}

let collected = 0;
let observer: PerformanceObserver | undefined;

/** So far: of two readings the difference counts. */
function spentNow(): Spent {
  const count = (entries: readonly { duration: number }[]) => {
    for (const { duration } of entries) collected += duration;
  };
  if (observer) {
    count(observer.takeRecords());
  } else {
    observer = new PerformanceObserver((list) => count(list.getEntries()));
    observer.observe({ entryTypes: ['gc'] });
  }
  return { systemMs: process.cpuUsage().system / 1_000, collectorMs: collected };
}

/** @returns what is spent from now until it is called */
export function spending(): () => Spent {
  const before = spentNow();
  return () => {
    const { systemMs, collectorMs } = spentNow();
    return { systemMs: systemMs - before.systemMs, collectorMs: collectorMs - before.collectorMs };
  };
}
