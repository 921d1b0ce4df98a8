/** What a training leaves beside its model: settings and curves as JSON, and a plot of them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../model/draft.js';
import { plotOf } from './plot.js';
import type { RunRecord } from './record.js';

/** Writes training.json and training.svg. */
export async function writeRecord(out: string, record: RunRecord): Promise<void> {
  await mkdir(out, { recursive: true });
  await writeWhole(join(out, 'training.json'), `${JSON.stringify(record, null, 1)}\n`);
  await writeWhole(join(out, 'training.svg'), plotOf(record));
}
