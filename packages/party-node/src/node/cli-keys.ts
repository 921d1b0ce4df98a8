/** The commands that make and deny what somebody is known by: token, keygen, allow, deny, grant. */
import { type Command, InvalidArgumentError } from 'commander';
import { allow, deny } from '../identity/access-file.js';
import { makeGrant } from '../identity/grants.js';
import { readKeyFile, writeKeyFile } from '../identity/key-files.js';
import { readNetworkFile } from '../identity/network-file.js';
import { publicKeyText } from '../wire/keys.js';
import { count, days, list, publicKey, quota, size } from './cli-values.js';
import { writeToken } from './token-files.js';

interface GrantFlags {
  key: string;
  network: string;
  model: string;
  versions?: string[];
  outputs?: string[];
  subject: string;
  client: string;
  days: number;
  quota?: { runs: number; seconds: number };
}

async function grant(f: GrantFlags): Promise<void> {
  const { text, id } = await makeGrant(readKeyFile(f.key), readNetworkFile(f.network).id, {
    subject: f.subject,
    model: f.model,
    ...(f.versions && { versions: f.versions }),
    ...(f.outputs && { outputs: f.outputs }),
    ...(f.quota && { quota: f.quota }),
    client: f.client,
    validSeconds: f.days,
  });
  process.stdout.write(`${text}\n`);
  // Beside the grant, so that it can be denied later
  process.stderr.write(`grant ${id} for ${f.subject}\n`);
}

export function addKeyCommands(program: Command): void {
  program
    .command('token')
    .description('writes a fresh token into a new file that nobody else can read')
    .argument('<file>')
    .exitOverride()
    .action((file: string) => writeToken(file));
  program
    .command('keygen')
    .description('writes a fresh secret key into a new file that nobody else can read, and prints its public key')
    .argument('<file>', 'for a node: the file key in its --data-dir')
    .exitOverride()
    .action((file: string) => void process.stdout.write(`${publicKeyText(writeKeyFile(file).public)}\n`));
  program
    .command('allow')
    .description('lets a publisher publish at a node: edits its access file, which SIGHUP makes it read again')
    .requiredOption('--access <file>', 'access file; made if it is not there')
    .requiredOption('--name <name>', 'name of the publisher; one that is there is changed')
    .requiredOption('--key <key>', "the publisher's public key, ed25519:…", publicKey)
    .requiredOption('--models <n>', 'models that it may have here, versions counted each', count)
    .requiredOption('--bytes <size>', 'memory that they may take together, such as 20G', size)
    .requiredOption('--runs <n>', 'runs of its models that may be under way or wait', count)
    .exitOverride()
    .action(({ access, name, key, models, bytes, runs }) =>
      allow(access, { name, key, limits: { models, bytes, runs } }),
    );
  program
    .command('deny')
    .description("denies a publisher's grant, or all of a subject: edits an access file, which SIGHUP makes count")
    .requiredOption('--access <file>', 'access file')
    .requiredOption('--publisher <name>', 'name of the publisher in it')
    .option('--id <id>', "the grant's id, as party-node grant prints it")
    .option('--subject <name>', 'whom the grants were given to')
    .exitOverride()
    .action(({ access, publisher, id, subject }) => {
      if ((id === undefined) === (subject === undefined))
        throw new InvalidArgumentError('give either --id or --subject');
      deny(access, id === undefined ? { publisher, subject } : { publisher, id });
    });
  program
    .command('grant')
    .description('prints a grant: what allows a client to ask a published model')
    .requiredOption('--key <file>', "the publisher's secret key")
    .requiredOption('--network <file>', 'network file of the nodes that the model is at')
    .requiredOption('--model <name>', 'which model')
    .option('--versions <list>', 'versions that may be asked, with commas; all if not given', list)
    .option('--outputs <list>', 'outputs that may be read, with commas; all if not given', list)
    .requiredOption('--subject <name>', 'whom it is for, in words of your own: quotas and turns go by it')
    .requiredOption('--client <key>', "the client's public key, ed25519:…", publicKey)
    .requiredOption('--days <n>', 'how long it is valid', days)
    .option('--quota <runs/seconds>', 'runs that it allows in so many seconds, such as 100/3600', quota)
    .exitOverride()
    .action(grant);
}
