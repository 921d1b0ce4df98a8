/**
 * A process that opens a store, takes a step, and kills itself before one of its calls to the file system. Arguments:
 * the folder, the step, which call it is, and whether half of what it would write is written.
 */
import { ModelStore } from '../src/store/model-store.js';
import { options, steps } from './model-steps.js';
import { watchedFs } from './watched-fs.js';

const [dir, name, at, half] = process.argv.slice(2) as [string, string, string, string];
let left = Number.POSITIVE_INFINITY;
const fs = watchedFs(async ({ torn }) => {
  if (--left > 0) return;
  if (half === 'half') await torn();
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
});
const store = await ModelStore.open(dir, { ...options, fs });
left = Number(at);
await steps[name]!.step(store);
await store.close();
