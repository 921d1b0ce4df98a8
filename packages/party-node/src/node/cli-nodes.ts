/** The commands `party` and `dealer`: a node as a process. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { lineLog } from '../operation/log.js';
import { stopOnSignals } from '../operation/stop-on-signals.js';
import type { NodeRole } from '../wire/tokens.js';
import { checkNode, findingLines } from './check-node.js';
import { address, memory, size, threads } from './cli-values.js';
import { type ServeOptions, serve } from './serve.js';

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
  clientTokenFile?: string;
  ownerSessions: boolean;
  peers?: string;
  access?: string;
  dataDir?: string;
  threads?: number;
  memory?: number;
  tlsCert?: string;
  tlsKey?: string;
  tlsPassphraseFile?: string;
  tlsCa?: string;
  behindTlsProxy?: true;
  dataKeyFile?: string;
  poolBytes?: number;
  admin?: { host: string; port: number };
  runLog?: string;
}

/** Flags whose value is a file. What was given empty, such as by an unset variable, is refused as a file. */
const FILES = [
  'clientTokenFile',
  'peers',
  'access',
  'dataKeyFile',
  'tlsCert',
  'tlsKey',
  'tlsPassphraseFile',
  'tlsCa',
  'runLog',
] as const;

/** Token files by the node that this one shares them with. */
function pairTokenFiles(role: NodeRole, f: Flags): Partial<Record<NodeRole, string>> {
  const other = role === 'party0' ? 'party1' : 'party0';
  const files =
    role === 'dealer'
      ? { party0: f.party0TokenFile, party1: f.party1TokenFile }
      : { dealer: f.dealerTokenFile, [other]: f.peerTokenFile };
  return Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
}

/** What a node is, by its flags. */
function optionsOf(role: NodeRole, f: Flags): Omit<ServeOptions, 'log'> {
  const { host, port } = f.listen;
  const files = Object.fromEntries(FILES.flatMap((k) => (f[k] === undefined ? [] : [[k, f[k]]])));
  return {
    role,
    host,
    port,
    ...(f.nodeTokenFile && { nodeTokenFile: f.nodeTokenFile }),
    pairTokenFiles: pairTokenFiles(role, f),
    dials: { ...(f.dealer && { dealer: f.dealer }), ...(role === 'party1' && f.peer && { party0: f.peer }) },
    ownerSessions: f.ownerSessions,
    behindTlsProxy: f.behindTlsProxy === true,
    ...(f.dataDir && { dataDir: f.dataDir }),
    ...(f.threads && { threads: f.threads }),
    ...(f.memory && { memory: f.memory }),
    ...(f.poolBytes !== undefined && { poolBytes: f.poolBytes }),
    ...(f.admin && { admin: f.admin }),
    ...files,
  };
}

async function start(o: Omit<ServeOptions, 'log'>): Promise<void> {
  const log = lineLog();
  const node = await serve({ ...o, log });
  stopOnSignals(node, log);
  // Without such files the signal keeps its usual meaning
  if ([o.peers, o.access, o.runLog].some((file) => file !== undefined)) process.on('SIGHUP', () => node.reload());
}

async function look(o: Omit<ServeOptions, 'log'>): Promise<void> {
  const found = await checkNode({ ...o, log: lineLog() });
  process.stdout.write(`${findingLines(found).join('\n')}\n`);
  if (found.some(({ well }) => !well)) process.exitCode = 1;
}

function common(command: Command): Command {
  return command
    .requiredOption('--listen <host:port>', 'address to listen on; port 0 takes a free one', address)
    .option('--node-token-file <file>', 'one secret of all three nodes, for nodes on one machine only')
    .option('--client-token-file <file>', 'secret of the clients that may use this node as their own')
    .option('--no-owner-sessions', 'takes no such clients, whatever they know')
    .option('--peers <file>', 'network file: keys and addresses of the three nodes, in place of their token files')
    .option('--access <file>', 'access file: publishers, whose models and grants count here')
    .option('--data-dir <dir>', 'where the node keeps its key and published models, and writes its address')
    .option('--data-key-file <file>', 'key that published models are encrypted with on the disk')
    .option(
      '--pool-bytes <size>',
      "memory for runs of published models that are prepared before anybody asks; 0 for none, a part of the node's " +
        'if not given',
      size,
    )
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
    .option('--admin <host:port>', 'address for /healthz, /readyz and /metrics, without a password', address)
    .option('--run-log <file>', 'file that gets a line a run: who asked what when, and what came of it')
    .option('--behind-tls-proxy', "connections come through this operator's own proxy, which ends TLS")
    .exitOverride();
}

/** @param between see `ServeOptions` */
export function addNodeCommands(program: Command, between?: string): void {
  addRoles(program, (o) => start({ ...o, ...(between !== undefined && { between }) }));
  const looks = 'dials the other nodes as a node with these flags would, and says what is wrong; exit 1 if anything is';
  addRoles(program.command('check').description(looks).exitOverride(), look);
}

/** `party` and `dealer`, as they are started or looked at. */
function addRoles(parent: Command, act: (o: Omit<ServeOptions, 'log'>) => Promise<void>): void {
  common(parent.command('party').description('one of the two computing parties'))
    .addOption(new Option('--index <index>', 'which party').choices(['0', '1']).makeOptionMandatory())
    .option('--peer <url>', 'the other party; index 1 dials 0')
    .option('--dealer <url>', 'the dealer')
    .option('--dealer-token-file <file>', 'secret that this party and the dealer alone have')
    .option('--peer-token-file <file>', 'secret that the two parties alone have')
    .action(async (f: Flags) => {
      if (!f.dealer && !f.peers)
        throw new InvalidArgumentError('a party dials the dealer: give --dealer ws://HOST:PORT, or --peers FILE');
      if (f.index === '1' && !f.peer && !f.peers)
        throw new InvalidArgumentError('party 1 dials party 0: give --peer ws://HOST:PORT, or --peers FILE');
      await act(optionsOf(f.index === '0' ? 'party0' : 'party1', f));
    });
  common(parent.command('dealer').description('the dealer of correlated randomness'))
    .option('--party0-token-file <file>', 'secret that the dealer and party 0 alone have')
    .option('--party1-token-file <file>', 'secret that the dealer and party 1 alone have')
    .action((f: Flags) => act(optionsOf('dealer', f)));
}
