/** The commands `models` and `unpublish`: what a publisher, or whoever holds a grant, does with published models. */
import { readFileSync, statSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { Asking } from '../client/asking.js';
import type { Credentials } from '../client/credentials.js';
import type { Dial } from '../client/node-links.js';
import { Session } from '../client/session.js';
import { NodeError } from '../errors.js';
import { readKeyFile } from '../identity/key-files.js';
import { readNetworkFile } from '../identity/network-file.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import { modelName, versionName } from '../wire/names.js';
import { dialSocket } from './sockets.js';

interface Flags {
  network: string;
  key: string;
  grant?: string;
  json?: true;
}

/** How the nodes of a network file are reached, and what they are shown. @throws NodeError BAD_CONFIGURATION */
function reach({ network, key, grant }: Flags): { dial: Dial; credentials: Credentials } {
  const { urls, keys: nodes } = readNetworkFile(network);
  const shown = grant === undefined ? {} : { grant: readGrant(grant) };
  return {
    dial: (role) => dialSocket(urls[role], nodeName[role], { pinned: true }),
    credentials: { key: readKeyFile(key).secret, nodes, ...shown },
  };
}

/** A grant is no secret, so its file may be readable by others. */
function readGrant(file: string): string {
  try {
    // A device or a pipe would have no end
    if (!statSync(file).isFile()) throw new Error('it is not an ordinary file');
    return readFileSync(file, 'utf8')
      .slice(0, 2 * limits.grantCharacters)
      .trim();
  } catch (cause) {
    const why = (cause as Error).message;
    throw new NodeError('client', 'BAD_CONFIGURATION', `cannot read the grant file ${file} (${why})`, { cause });
  }
}

async function models(f: Flags): Promise<void> {
  const { dial, credentials } = reach(f);
  const asking = await Asking.connect(dial, credentials);
  try {
    const found = (await asking.models()).sort((a, b) => a.published - b.published);
    const lines = found.map(({ name, version, publisher, published, hash }) => {
      const model = `${name}@${version}`;
      const time = new Date(published).toISOString();
      if (f.json) return JSON.stringify({ model, publisher, published: time, manifest: hash });
      return `${model}  published ${time}  manifest ${hash.slice(0, 16)}`;
    });
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
    else process.stderr.write('no model is served that this key may ask\n');
  } finally {
    asking.close();
  }
}

/** A model as people write it. */
function modelVersion(text: string): { name: string; version: string } {
  const [name, version, ...more] = text.split('@');
  const well = modelName.safeParse(name).success && versionName.safeParse(version).success && more.length === 0;
  if (!well) throw new InvalidArgumentError('expected NAME@VERSION, such as sst2@1');
  return { name: name!, version: version! };
}

async function unpublish({ name, version }: { name: string; version: string }, f: Flags): Promise<void> {
  const { dial, credentials } = reach(f);
  const session = await Session.connect(dial, credentials);
  try {
    await session.unpublish(name, version);
  } finally {
    session.close();
  }
}

export function addModelCommands(program: Command): void {
  const network = ['--network <file>', 'network file of the nodes'] as const;
  program
    .command('models')
    .description('lists the published models that are served and that a key may ask, oldest first')
    .requiredOption(...network)
    .requiredOption('--key <file>', 'secret key of a publisher, or of a client that has a grant')
    .option('--grant <file>', "the client's grant; a publisher has none")
    .option('--json', 'a line of JSON each')
    .exitOverride()
    .action(models);
  program
    .command('unpublish')
    .description('ends a published version at all three nodes, and removes what they keep of it')
    .argument('<name@version>', 'the model', modelVersion)
    .requiredOption(...network)
    .requiredOption('--key <file>', "the publisher's secret key")
    .exitOverride()
    .action(unpublish);
}
