/** What the collector counts of buffers that are kept. Own threads: the count is one thread's. */
import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Arena, availableKernels } from '../src/index.js';

const ring = new URL('../src/index.js', import.meta.url).href;
const collector = new URL('../src/collector.js', import.meta.url).href;

/** Collections of all of a thread's heap while it runs some code. */
async function collections(code: string): Promise<{ major: number; said: unknown }> {
  const script = `
    import { parentPort } from 'node:worker_threads';
    import { PerformanceObserver, constants } from 'node:perf_hooks';
    let major = 0;
    const whole = [constants.NODE_PERFORMANCE_GC_MAJOR, constants.NODE_PERFORMANCE_GC_INCREMENTAL];
    new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries()) if (whole.includes(detail.kind)) major++;
    }).observe({ entryTypes: ['gc'] });
    const { Arena, StoredWords, lasting, loadKernels } = await import(${JSON.stringify(ring)});
    const { outlived } = await import(${JSON.stringify(collector)});
    // The collector marks while a thread works
    const breath = () => new Promise((done) => setTimeout(done, 2));
    let said;
    await (async () => { ${code} })();
    await new Promise((done) => setTimeout(done, 100));
    parentPort.postMessage({ major, said });
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', resolve);
      worker.on('error', reject);
    });
  } finally {
    await worker.terminate();
  }
}

const made = (n: number, each: string) => `for (let i = 0; i < ${n}; i++) { ${each}; await breath(); }`;
const kept = 'globalThis.kept ??= []; globalThis.kept.push';

const natively = availableKernels().length > 1 ? test.serial : test.serial.skip;

natively('an arena’s buffers and words that last start no collections, and ordinary ones do', async (t) => {
  // 640 MB each
  const ordinary = await collections(made(80, `${kept}(new BigUint64Array(1e6))`));
  t.true(ordinary.major >= 4, `${ordinary.major}`);
  const arena = await collections(
    `const arena = new Arena(2e9); ${made(80, `${kept}(arena.during(() => arena.take(1e6), (w) => [w]))`)}`,
  );
  const lasting = await collections(made(80, `${kept}(lasting(1e6))`));
  t.true(arena.major <= 1, `${arena.major}`);
  t.true(lasting.major <= 1, `${lasting.major}`);
});

natively('what an arena lets go of, and what has outlived its use, is found', async (t) => {
  // 640 MB each, of which little is left: young buffers go without a collection of the whole heap
  const held = 'said = process.memoryUsage().arrayBuffers';
  for (const each of ['arena.release([arena.borrow(8e6)]); arena.rest()', 'outlived(lasting(1e6))']) {
    const { said } = await collections(`const arena = new Arena(2e9); ${made(80, each)} ${held};`);
    t.true((said as number) < 200e6, `${each}: ${said}`);
  }
});

const pages = '/sys/kernel/mm/transparent_hugepage/enabled';
const linux = existsSync(pages) && availableKernels().length > 1 ? test : test.skip;

linux('large buffers of an arena ask for large pages, and small ones do not', (t) => {
  const mapped = () => {
    const parts = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    return parts.filter((p) => /^VmFlags:.* hg\b/m.test(p)).map((p) => 1024 * Number(/^Size: +(\d+) kB/m.exec(p)![1]));
  };
  // Sizes that nothing else has
  const count = (megabytes: number) => mapped().filter((size) => Math.round(size / 2 ** 20) === megabytes).length;
  const arena = new Arena(2 ** 30);
  const [small, large] = [arena.borrow(3 * 2 ** 20), arena.borrow(96 * 2 ** 20)];
  t.is(count(3), 0);
  t.is(count(96), 1);
  arena.release([small, large]);
});
