/** `secformer publish`: a folder becomes a model that the nodes serve. */
import { type IdentityFlags, readAssets, readIdentity } from './files.js';
import { readModel } from './model-folder.js';
import { Progress } from './progress.js';
import type { Service } from './service.js';
import { bytesText, columns, type Terminal } from './terminal.js';
import { loadTf } from './tfjs.js';

export interface PublishFlags extends IdentityFlags {
  name: string;
  version: string;
  seq?: number[];
  batch: number;
  output?: string[];
  suite: string;
  asset?: string[];
}

/** @throws UsageError, and what `publish` of the backend throws */
export async function publishFolder(
  folder: string,
  flags: PublishFlags,
  service: Service,
  terminal: Terminal,
): Promise<void> {
  const identity = readIdentity(flags);
  const more = readAssets(flags.asset ?? []);
  const { tf, backend } = await loadTf();
  backend.configure({ suite: flags.suite });
  const shapes = { batch: flags.batch, lengths: flags.seq, outputs: flags.output };
  const { model, inputs, outputs, assets, dispose } = await readModel(folder, shapes, tf);
  const progress = new Progress(terminal);
  try {
    const published = await service.publish(model, {
      ...identity,
      name: flags.name,
      version: flags.version,
      inputs,
      ...(outputs && { outputs }),
      assets: { ...assets, ...more },
      onProgress: (event) => progress.publishing(event),
    });
    progress.stop();
    const sets = [inputs].flat();
    const rows = published.programs.map(({ rounds, bytes }, i) => [
      shapesText(sets[i]!),
      { number: `${rounds} rounds` },
      { number: `${bytesText(bytes)} a run` },
    ]);
    terminal.out(`${published.name}@${published.version} is published, generation ${published.generation}`);
    for (const line of columns(rows)) terminal.out(line);
  } finally {
    progress.stop();
    dispose();
  }
}

function shapesText(set: object): string {
  return Object.entries(set as Record<string, { shape: number[] }>)
    .map(([name, { shape }]) => `${name} [${shape}]`)
    .join(', ');
}
