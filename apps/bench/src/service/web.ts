/** A page in a browser that asks a published model: three nodes, a publisher, a grant for the page, and the page. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBert, tokenizerFiles } from '@secformer/bert-loader';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import { publish } from '@secformer/tfjs-mpc-backend';
import { servePage } from '@secformer/web/server';
import { MODEL } from '../demo.js';
import { tf } from '../quiet-tfjs.js';

const NAME = 'sst2';
const ABOUT = 'Tells whether a sentence about a film is positive or negative.';
/** Lengths in tokens: a sentence goes to the smallest that it fits into. */
const LENGTHS = [16, 32, 64];
/** How long the page's grant is valid. */
const GRANT_SECONDS = 86_400;

/** Prints the page's address, and serves it until Ctrl-C. */
export async function demoWeb(): Promise<void> {
  process.stdout.write('Starting three nodes, and publishing a model …\n');
  const service = await startLocalService();
  try {
    const network = JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;
    await published(service, network);
    const { key, grant } = await service.grant({ model: NAME, subject: 'the page', validSeconds: GRANT_SECONDS });
    const config = { network, key: secretKeyText(key), grant, model: NAME, about: ABOUT };
    const page = await servePage(() => config);
    process.stdout.write(`The page is at ${page.url} until Ctrl-C.\n`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await page.close();
  } finally {
    service.stop();
  }
  process.exit();
}

async function published(service: LocalService, network: unknown): Promise<void> {
  // It would recommend another package
  tf.enableProdMode();
  await tf.setBackend('secformer');
  const assets = await tokenizerFiles((name) => readFile(join(MODEL, name)).catch(() => undefined), MODEL);
  const model = await loadBert(MODEL);
  try {
    await publish(model, {
      name: NAME,
      version: '1',
      inputs: LENGTHS.map((length) => ({ ids: { shape: [1, length] } })),
      assets: Object.fromEntries(assets),
      network,
      key: secretKeyText(service.publisher.secret),
    });
  } finally {
    model.dispose();
  }
}
