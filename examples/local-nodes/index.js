// Three nodes on this machine and two published models, until Ctrl-C: what the other examples ask.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { main as secformer } from '@secformer/cli';
import { freshKeyPair, secretKeyText } from '@secformer/party-node';
import { startLocalService } from '@secformer/party-node/node';

const checkpoint = process.argv[2] ?? resolve(import.meta.dirname, '../../apps/bench/models/sst2-tiny');
const folder = process.argv[3] ?? resolve(import.meta.dirname, '../connection');

mkdirSync(folder, { recursive: true, mode: 0o700 });
const write = (name, text) => {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};

// Nothing is prepared before it is asked for: this machine has other things to do
const service = await startLocalService({ flags: () => ['--pool-bytes', '0'] });
const network = readFileSync(service.networkFile, 'utf8');

// The publisher: a classifier, and the same weights as a model that gives vectors
const key = write('publisher.key', secretKeyText(service.publisher.secret));
const publisher = ['--network', write('network.json', network), '--key', key];
for (const model of [
  ['--name', 'sst2', '--output', 'logits', '--seq', '16,32'],
  ['--name', 'vectors', '--output', 'embed', '--seq', '16', '--batch', '4'],
]) {
  const code = await secformer(['publish', checkpoint, '--version', '1', ...model, ...publisher]);
  if (code !== 0) process.exit(code);
}

// A client of both, with a key of its own and a grant for each
const client = freshKeyPair();
const grantFor = async (model) => (await service.grant({ model, client: client.public, validSeconds: 86_400 })).grant;
const sst2 = await grantFor('sst2');
write('client.key', secretKeyText(client.secret));
write('sst2.grant', sst2);
write('vectors.grant', await grantFor('vectors'));
// The same in one file, as pages take it
const config = { network: JSON.parse(network), key: secretKeyText(client.secret), grant: sst2, model: 'sst2' };
write('config.json', JSON.stringify(config));
console.log(`ready: keys, grants and addresses are in ${folder}`);

// Or until a program that has started this as its child lets go of it
for (const end of ['SIGINT', 'SIGTERM', 'disconnect'])
  process.once(end, () => {
    service.stop();
    process.exit();
  });
