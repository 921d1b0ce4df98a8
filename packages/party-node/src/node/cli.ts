import { SecformerError } from '@secformer/ring';
import { Command, InvalidArgumentError, Option } from 'commander';
import { limits } from '../limits.js';
import type { NodeRole } from './run.js';
import { type ServeOptions, serve } from './serve.js';
import { writeToken } from './token-files.js';

function address(text: string): { host: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text);
  if (!match || Number(match[2]) > 65535) throw new InvalidArgumentError('expected HOST:PORT');
  return { host: match[1]!, port: Number(match[2]) };
}

function threads(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('expected 1 to 99');
  return Number(text);
}

/** Bytes from 8G, 512M or plain digits. */
function memory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)i?B?$/i.exec(text);
  const bytes = match ? Math.floor(Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2]!.toUpperCase() || ' ')) : 0;
  if (bytes < limits.leastMemoryBytes) throw new InvalidArgumentError(`expected at least 1G, such as 8G; got ${text}`);
  return bytes;
}

interface Flags {
  listen: { host: string; port: number };
  index?: '0' | '1';
  peer?: string;
  dealer?: string;
  nodeTokenFile?: string;
  dealerTokenFile?: string;
  peerTokenFile?: string;
  party0TokenFile?: string;
  party1TokenFile?: string;
  clientTokenFile: string;
  dataDir?: string;
  threads?: number;
  memory?: number;
  tlsCert?: string;
  tlsKey?: string;
  tlsPassphraseFile?: string;
  tlsCa?: string;
}

/** Token files by the node that this one shares them with. */
function pairTokenFiles(role: NodeRole, f: Flags): Partial<Record<NodeRole, string>> {
  const other = role === 'party0' ? 'party1' : 'party0';
  const files =
    role === 'dealer'
      ? { party0: f.party0TokenFile, party1: f.party1TokenFile }
      : { dealer: f.dealerTokenFile, [other]: f.peerTokenFile };
  return Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
}

/**
 * The command `party-node`. A wrong flag or a missing file: one line on standard error, exit 2. @param through see
 * `ServeOptions`
 */
export async function main(argv: string[], through?: ServeOptions['through']): Promise<void> {
  const log = (event: string, fields: Record<string, unknown> = {}) =>
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
  const run = async (role: 'party0' | 'party1' | 'dealer', f: Flags) => {
    const dials = { ...(f.dealer && { dealer: f.dealer }), ...(role === 'party1' && f.peer && { party0: f.peer }) };
    const { host, port } = f.listen;
    // What was given empty, such as by a variable that is not set, is refused as a file and not passed over
    const tls = Object.fromEntries(
      (['tlsCert', 'tlsKey', 'tlsPassphraseFile', 'tlsCa'] as const).flatMap((k) =>
        f[k] === undefined ? [] : [[k, f[k]]],
      ),
    );
    const node = await serve({
      role,
      host,
      port,
      clientTokenFile: f.clientTokenFile,
      ...(f.nodeTokenFile && { nodeTokenFile: f.nodeTokenFile }),
      pairTokenFiles: pairTokenFiles(role, f),
      dials,
      ...(f.dataDir && { dataDir: f.dataDir }),
      ...(f.threads && { threads: f.threads }),
      ...(f.memory && { memory: f.memory }),
      ...tls,
      ...(through && { through }),
      log,
    });
    const stop = () => void node.stop().then(() => process.exit(0));
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  };
  const program = new Command('party-node')
    .description('The nodes of a private inference: two parties that compute on shares and a dealer of randomness')
    .exitOverride();
  const common = (c: Command) =>
    c
      .requiredOption('--listen <host:port>', 'address to listen on; port 0 takes a free one', address)
      .option('--node-token-file <file>', 'one secret of all three nodes, for nodes on one machine only')
      .requiredOption('--client-token-file <file>', 'secret of the clients that may use this node')
      .option('--data-dir <dir>', 'where the node writes its address')
      .option(
        '--memory <size>',
        "memory for all clients' tensors and runs, such as 8G; a part of the machine's if not given",
        memory,
      )
      .option(
        '--threads <n>',
        'threads of a large kernel, such as a matrix product; as many as the machine has if not given',
        threads,
      )
      .option('--tls-cert <file>', 'certificate (PEM); without it the node listens on loopback only')
      .option('--tls-key <file>', 'its private key (PEM)')
      .option('--tls-passphrase-file <file>', 'passphrase of an encrypted --tls-key')
      .option('--tls-ca <file>', "certificate authority (PEM) to trust when this node dials, besides the system's")
      .exitOverride();
  common(program.command('party').description('one of the two computing parties'))
    .addOption(new Option('--index <index>', 'which party').choices(['0', '1']).makeOptionMandatory())
    .option('--peer <url>', 'the other party; index 1 dials 0')
    .requiredOption('--dealer <url>', 'the dealer')
    .option('--dealer-token-file <file>', 'secret that this party and the dealer alone have')
    .option('--peer-token-file <file>', 'secret that the two parties alone have')
    .action(async (f: Flags) => {
      if (f.index === '1' && !f.peer)
        throw new InvalidArgumentError('party 1 dials party 0: give --peer ws://HOST:PORT');
      await run(f.index === '0' ? 'party0' : 'party1', f);
    });
  common(program.command('dealer').description('the dealer of correlated randomness'))
    .option('--party0-token-file <file>', 'secret that the dealer and party 0 alone have')
    .option('--party1-token-file <file>', 'secret that the dealer and party 1 alone have')
    .action((f: Flags) => run('dealer', f));
  program
    .command('token')
    .description('writes a fresh token into a new file that nobody else can read')
    .argument('<file>')
    .exitOverride()
    .action((file: string) => writeToken(file));
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    const { exitCode, code, message } = error as { exitCode?: number; code?: string; message: string };
    if (exitCode === 0) return;
    // commander has printed its own line already
    if (error instanceof SecformerError || !code?.startsWith('commander.') || error instanceof InvalidArgumentError)
      process.stderr.write(`party-node: ${message}\n`);
    process.exitCode = 2;
  }
}
