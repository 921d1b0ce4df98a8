/** `secformer publish`: a folder becomes a model that the nodes serve. */
import { NodeError } from '@secformer/party-node';
import type { PublishOptions } from '@secformer/tfjs-mpc-backend';
import { type IdentityFlags, readAssets, readIdentity } from './files.js';
import type { Interrupts } from './interrupts.js';
import { type Publication, readModel } from './model-folder.js';
import { Progress } from './progress.js';
import type { LoadOptions, Service } from './service.js';
import { bytesText, columns, type Terminal } from './terminal.js';
import { loadTf } from './tfjs.js';

export interface PublishFlags extends IdentityFlags {
  name: string;
  version: string;
  seq?: number[];
  batch: number;
  output?: string[];
  suite: string;
  weights: 'secret' | 'public';
  asset?: string[];
}

/** @throws UsageError, and what `publish` of the backend throws */
export async function publishFolder(
  folder: string,
  flags: PublishFlags,
  service: Service,
  terminal: Terminal,
  interrupts: () => Interrupts,
): Promise<void> {
  const identity = readIdentity(flags);
  const more = readAssets(flags.asset ?? []);
  const { tf, backend } = await loadTf();
  backend.configure({ suite: flags.suite });
  const { signal, release } = interrupts();
  try {
    await checkFree(flags, { ...identity, signal }, service);
    const shapes = { batch: flags.batch, lengths: flags.seq, outputs: flags.output };
    const read = await readModel(folder, shapes, tf, signal);
    const { name, version, weights } = flags;
    const publication = { ...read, assets: { ...read.assets, ...more } };
    await publishModel(publication, { ...identity, name, version, weights, signal }, service, terminal);
  } finally {
    release();
  }
}

async function publishModel(
  { model, inputs, outputs, assets, dispose }: Publication,
  options: Omit<PublishOptions, 'inputs' | 'outputs' | 'assets'>,
  service: Service,
  terminal: Terminal,
): Promise<void> {
  const progress = new Progress(terminal);
  try {
    const published = await service.publish(model, {
      ...options,
      inputs,
      ...(outputs && { outputs }),
      assets,
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
async function checkFree({ name, version }: PublishFlags, options: LoadOptions, service: Service): Promise<void> {
  try {
    (await service.loadPublished(`${name}@${version}`, options)).dispose();
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
