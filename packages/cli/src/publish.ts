/** `secformer publish`: a folder becomes a model that the nodes serve. */
import { NodeError } from '@secformer/party-node';
import { type Identity, type IdentityFlags, readAssets, readIdentity } from './files.js';
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
  await checkFree(flags, identity, service);
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
    const rows = published.programs.map(({ cost: { rounds, online, dealer } }, i) => [
      shapesText(sets[i]!),
      { number: `${rounds} rounds` },
      { number: `${bytesText(online)} sent by each party` },
      { number: `${bytesText(dealer)} by the dealer` },
    ]);
    const count = rows.length === 1 ? 'one program' : `${rows.length} programs`;
    terminal.out(`${published.name}@${published.version} is published, with ${count}; a run of each:`);
    for (const line of columns(rows)) terminal.out(line);
  } finally {
    progress.stop();
    dispose();
  }
}

/**
 * A version that is there is found, and a publisher whom nobody knows is refused, before the model is read and shared.
 * @throws NodeError MODEL_EXISTS, and what the connection throws
 */
async function checkFree({ name, version }: PublishFlags, identity: Identity, service: Service): Promise<void> {
  try {
    (await service.loadPublished(`${name}@${version}`, identity)).dispose();
  } catch (error) {
    // One that cannot be served is for the nodes to judge
    if (['MODEL_UNKNOWN', 'MODEL_DAMAGED'].includes((error as { code?: string }).code ?? '')) return;
    throw error;
  }
  throw new NodeError('client', 'MODEL_EXISTS', `${name}@${version} is published; give another --version`);
}

function shapesText(set: object): string {
  return Object.entries(set as Record<string, { shape: number[] }>)
    .map(([name, { shape }]) => `${name} [${shape}]`)
    .join(', ');
}
