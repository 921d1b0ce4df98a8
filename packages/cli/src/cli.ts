import { Command, Option } from 'commander';
import { type AskFlags, askTexts } from './ask.js';
import { EXIT, failure, type Command as Name } from './failures.js';
import { address, lengths, list, seconds, whole } from './flags.js';
import { interrupts } from './interrupts.js';
import type { ProxyFlags } from './proxy/serve.js';
import { type PublishFlags, publishFolder } from './publish.js';
import { nodes, type Service } from './service.js';
import { standard, type Terminal } from './terminal.js';

const network = () =>
  new Option('--network <file>', 'network file of the nodes: who they are and where')
    .env('SECFORMER_NETWORK')
    .makeOptionMandatory();
const key = (whose: string) =>
  new Option('--key <file>', `${whose} secret key, as party-node keygen writes it`)
    .env('SECFORMER_KEY')
    .makeOptionMandatory();
const ca = () =>
  new Option('--ca <file>', "authority of the nodes' certificates, PEM, where it is none that the system knows").env(
    'SECFORMER_CA',
  );

const CODES =
  '\nExit codes: 1 something broke, 2 the command or a file cannot be used, 3 the nodes refuse, ' +
  '4 the nodes refuse now and say when to try again, 130 interrupted.';

/**
 * The command `secformer`.
 * @param service where models are published and asked; the nodes that --network names, if absent
 * @param terminal where it prints; the process's own streams, if absent
 * @param interrupted how a command hears that it is to end; by Ctrl-C, if absent
 * @returns the exit code
 */
export async function main(
  argv: string[],
  service: Service = nodes,
  terminal: Terminal = standard,
  interrupted = interrupts,
): Promise<number> {
  const program = new Command('secformer')
    .description('Publishes models at the nodes of a private inference, asks them, and serves them to programs')
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd().replace(/^error: /, 'secformer: ')),
    })
    .exitOverride();
  let command: Name = 'publish';
  program
    .command('publish')
    .description('has the nodes keep a model, for clients who hold a grant of its publisher')
    .argument('<folder>', 'a checkpoint of BERT or a relative (config.json, model.safetensors), or a model.json')
    .requiredOption('--name <name>', "what clients call it: small letters, digits, '.', '_' and '-'")
    .requiredOption('--version <version>', 'a version is published once')
    .option('--seq <list>', 'lengths in tokens, or sizes that a model.json leaves open, each a program', lengths)
    .option('--batch <n>', 'texts of a run', whole, 1)
    .option(
      '--output <list>',
      "what clients get: logits, hidden, pooled, embed; of a model.json, its outputs' names",
      list,
    )
    .addOption(new Option('--suite <suite>', 'protocols').env('SECFORMER_SUITE').default('exact'))
    .addOption(
      new Option(
        '--weights <who>',
        "'public' where anybody may know them, as of a checkpoint to download: runs cost less",
      )
        .choices(['secret', 'public'])
        .default('secret'),
    )
    .option('--asset <file...>', 'more files that clients may have')
    .addOption(network())
    .addOption(key("the publisher's"))
    .addOption(ca())
    .addHelpText('after', CODES)
    .exitOverride()
    .action(async (folder: string, flags: PublishFlags) => {
      await publishFolder(folder, flags, service, terminal, interrupted);
    });
  program
    .command('ask')
    .description('asks a published model about texts; the nodes see shares of them')
    .argument('<model>', 'NAME@VERSION, or NAME for the newest version')
    .argument('[text...]', 'texts; if there are none, the lines of standard input')
    .option('--json', 'a line of JSON for each text')
    .addOption(network())
    .addOption(key("the client's"))
    .addOption(
      new Option('--grant <file>', "the publisher's grant; not needed with the publisher's own key").env(
        'SECFORMER_GRANT',
      ),
    )
    .addOption(ca())
    .addHelpText('after', CODES)
    .exitOverride()
    .action(async (model: string, texts: string[], flags: AskFlags) => {
      command = 'ask';
      await askTexts(model, texts, flags, service, terminal, interrupted);
    });
  program
    .command('proxy')
    .description('serves published models on this machine, over HTTP as existing programs speak it')
    .argument('<model...>', 'NAME@VERSION, or NAME for the newest version')
    .option('--listen <address>', 'HOST:PORT', address, { host: '127.0.0.1', port: 8470 })
    .option('--token-file <file>', 'what clients have to show, as party-node token writes it; needed beyond loopback')
    .option('--tls-cert <file>', 'certificate, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--timeout <seconds>', 'how long an answer may take; 120, if absent', seconds)
    .addOption(network())
    .addOption(key("the client's"))
    .addOption(
      new Option(
        '--grant <file>',
        "the publisher's grant; again for each more, where models have their own; not needed with the publisher's key",
      )
        .env('SECFORMER_GRANT')
        .argParser((file: string, before: string[] = []) => [...before, file]),
    )
    .addOption(ca())
    .addHelpText('after', CODES)
    .exitOverride()
    .action(async (models: string[], flags: ProxyFlags) => {
      command = 'proxy';
      const { serveProxy } = await import('./proxy/serve.js');
      await serveProxy(models, flags, service, terminal);
    });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    const { exitCode, code } = error as { exitCode?: number; code?: string };
    // commander has printed its own line already
    if (code?.startsWith('commander.')) return exitCode === 0 ? 0 : EXIT.usage;
    const { line, code: exit } = failure(error, command);
    terminal.err(`secformer: ${line}`);
    return exit;
  }
}
