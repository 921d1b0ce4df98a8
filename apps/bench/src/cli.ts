import { fileURLToPath } from 'node:url';
import { tasks } from '@secformer/distill/glue';
import { suites } from '@secformer/secformer-ops';
import { Command, InvalidArgumentError, Option } from 'commander';
import { networks } from './network.js';
import { checkReport, end, UsageError } from './report.js';

const whole = (text: string): number => {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('expected a whole number above 0');
  return n;
};
const count = (text: string): number => (text === '0' ? 0 : whole(text));
const number = (text: string): number => {
  const n = Number(text);
  if (text.trim() === '' || !Number.isFinite(n)) throw new InvalidArgumentError('expected a number');
  return n;
};
const range = (text: string): [number, number] => {
  const [a, b, ...rest] = text.split(',').map(Number);
  if (rest.length > 0 || !Number.isFinite(a) || !Number.isFinite(b) || a! > b!)
    throw new InvalidArgumentError('expected LOW,HIGH');
  return [a!, b!];
};
const json = new Option('--json <file>', "write the record as JSON; '-' is standard output");

const shadow = new Option(
  '--shadow',
  'compare every instruction with its plaintext; this opens every secret, on this machine, in one process',
);
const kernels = new Option('--kernels <kernels>', 'auto, native, wasm, or one by name').default('auto');
const tune = new Option('--tune <network>', 'plan for a network: fewer rounds, or fewer comparisons')
  .choices(['lan', 'wan'])
  .default('lan');
const operandBits = new Option('--operand-bits <bits>', 'fractional bits of what matrix products take')
  .choices(['16', '13'])
  .default(16, '16')
  .argParser((text) => {
    if (text !== '16' && text !== '13') throw new InvalidArgumentError('expected 16 or 13');
    return Number(text);
  });
const weights = new Option(
  '--weights <who>',
  'whether the weights are secret, or public, as those of a checkpoint to download',
)
  .choices(['secret', 'public'])
  .default('secret');
const link = new Option('--link <link>', 'threads of this process, or three processes')
  .choices(['worker', 'websocket'])
  .default('worker');
const net = new Option('--net <net>', 'emulated network').choices(['none', ...Object.keys(networks)]).default('none');
const SUITES = Object.keys(suites);
const SST2 = fileURLToPath(new URL('../../models/sst2-tiny', import.meta.url));

/** The commands of the benchmark app; a usage error is one line and exit 2. */
export async function main(argv: string[]): Promise<void> {
  const program = new Command('bench').description('Demo and benchmark of private BERT inference').exitOverride();
  program.hook('preAction', (_, action) => checkReport(action.opts().json));
  const command = (name: string, description: string) => program.command(name).description(description).exitOverride();
  command('demo', 'real sentences through a real BERT, in plaintext and privately')
    .option('--service', 'three nodes that serve a published model, a client that may ask it, and some that may not')
    .option('--web', 'three nodes that serve a published model, and a page that asks it from a browser, until Ctrl-C')
    .addOption(json)
    .action(async (f: { service?: true; web?: true; json?: string }) => {
      if (f.web && (f.service || f.json !== undefined))
        throw new UsageError('--web serves a page until Ctrl-C, and goes with neither --service nor --json');
      if (f.web) return (await import('./service/web.js')).demoWeb();
      return f.service
        ? (await import('./service/demo.js')).demoService(f.json)
        : (await import('./demo.js')).demo(f.json);
    });
  command('bert', 'private BERT inference beside plaintext TensorFlow.js')
    .option('--model <name|folder>', 'tiny, minilm, base, large (random weights), or a checkpoint folder', 'tiny')
    .option('--seq <n>', 'tokens', whole, 128)
    .option('--batch <n>', 'sentences', whole, 1)
    .option('--gang <n>', 'besides, so many independent runs at the same time, as of different clients', whole, 1)
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .option('--runs <n>', 'measured runs', whole, 3)
    .addOption(
      new Option(
        '--output <output>',
        'last hidden states of all tokens, of the first, as a classifier reads, or what the pooler makes of that',
      )
        .choices(['hidden', 'cls', 'pooled'])
        .default('hidden'),
    )
    .option(
      '--texts <file>',
      'sentences to run, one a line or a column `sentence` of tab-separated text, instead of --runs of the same',
    )
    .option('--limit <n>', 'sentences of --texts', whole, 64)
    .option('--calibrate', 'find the ranges of every operation on these inputs first, in plaintext')
    .addOption(tune)
    .addOption(operandBits)
    .addOption(weights)
    .addOption(
      new Option('--attention <function>', 'of a model of random weights: what attention weights are made by')
        .choices(['softmax', '2quad', 'cgf', 'power1', 'power2', 'power4'])
        .default('softmax'),
    )
    .addOption(
      new Option('--norm <norm>', 'of a model of random weights: LayerNorms, or a gain and a bias in their place')
        .choices(['standard', 'affine'])
        .default('standard'),
    )
    .option('--schedule', 'plan alone: the rounds, and what is opened in each')
    .option('--trace <file>', 'how the time of the last run went at both parties, for Perfetto or chrome://tracing')
    .addOption(shadow)
    .addOption(link)
    .addOption(net)
    .addOption(kernels)
    .addOption(json)
    .action(async (f) => (await import('./bert.js')).bert(f));
  command(
    'glue',
    "a task of GLUE's development set on private answers and on plaintext ones, by the task's own measure",
  )
    .addOption(new Option('--task <name>', 'which').choices(Object.keys(tasks)).makeOptionMandatory())
    .requiredOption('--model <folder>', 'a checkpoint with a head for the task')
    .addOption(new Option('--data <folder>', "the tasks' folders, with dev.tsv").env('SECFORMER_GLUE'))
    .option('--dev-file <file>', "in the place of the data's dev.tsv")
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .addOption(weights)
    .option('--limit <n>', 'the first so many examples', whole)
    .option('--length <n>', 'tokens of an example at most', whole, 128)
    .option('--bucket <n>', 'lengths are filled up to a multiple of this', whole, 16)
    .option('--batch <n>', 'examples that share rounds at most', whole, 64)
    .option('--tokens <n>', 'tokens of such a batch at most', whole, 2048)
    .addOption(tune)
    .addOption(operandBits)
    .addOption(link)
    .addOption(net)
    .option('--out <file>', 'keeps answers as they come, and goes on from those that are there')
    .addOption(kernels)
    .addOption(json)
    .action(async (f) => (await import('./glue/glue.js')).glue(f));
  command('anchors', 'a private BERT as three processes beside plaintext and beside other systems, in one table')
    .option('--model <name|folder>', 'tiny, minilm, base, large (random weights), or a checkpoint folder', 'base')
    .option('--seq <n>', 'tokens', whole, 128)
    .option('--runs <n>', 'measured runs of each suite', whole, 5)
    .option('--suites <names>', 'separated by commas', 'exact,fast,secformer')
    .addOption(json)
    .action(async (f) => (await import('./anchors.js')).anchors(f));
  command('load', 'many clients of a published model at once, at three processes')
    .option('--model <name|folder>', 'tiny, minilm, base (random weights), or a checkpoint folder', SST2)
    .option('--seq <n>', 'tokens', whole, 64)
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .option('--clients <n>', 'that ask without a pause', whole, 20)
    .option('--seconds <n>', 'how long', whole, 120)
    .option('--texts <file>', 'sentences, one a line or a column `sentence` of tab-separated text')
    .option('--pool <size>', 'memory of each node for prepared runs, such as 2G; 0 for none')
    .addOption(kernels)
    .addOption(json)
    .action(async (f) => (await import('./service/load.js')).load(f));
  command('service', "a published model beside the same in an owner's session: time, memory, restart")
    .option('--model <name|folder>', 'tiny, minilm, base (random weights), or a checkpoint folder', SST2)
    .option('--seq <n>', 'tokens', whole, 128)
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .option('--runs <n>', 'measured runs', whole, 3)
    .option('--pool <size>', 'memory of each node for prepared runs', '4G')
    .addOption(kernels)
    .addOption(json)
    .action(async (f) => (await import('./service/figures.js')).serviceFigures(f));
  command('op', 'one protocol: error, bytes, rounds, time')
    .argument('<name>', 'which; a wrong name lists them')
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .option('--size <n>', 'elements', whole, 100_000)
    .option('--range <low,high>', 'inputs', range)
    .option('--row <n>', 'length of a row', whole)
    .option('--threshold <t>', 'of less', number, 0)
    .option('--m <n>', 'rows of matmul', whole, 128)
    .option('--n <n>', 'columns of matmul', whole, 768)
    .option('--k <n>', 'depth of matmul', whole, 768)
    .option('--runs <n>', 'timed runs with a thread for each party; 0 leaves them out', count, 5)
    .addOption(kernels)
    .addOption(shadow)
    .addOption(json)
    .action(async (name, f) => (await import('./op/op.js')).op(name, f));
  command('suites', 'GeLU, softmax, LayerNorm and a whole encoder layer under every suite')
    .option('--seq <n>', 'tokens', whole, 128)
    .option('--hidden <n>', 'width of the encoder', whole, 768)
    .option('--heads <n>', 'attention heads', whole, 12)
    .addOption(json)
    .action(async (f) => (await import('./suites.js')).compareSuites(f));
  command('model', 'any GraphModel or LayersModel, in plaintext and privately')
    .argument('<folder>', 'with model.json and its weights')
    .addOption(new Option('--suite <suite>', 'protocols').choices(SUITES).default('exact'))
    .option('--inputs <file>', 'JSON: {"name": {"dtype": …, "shape": […], "data": […]}}; made up if absent')
    .option('--seq <n>', 'size of open dimensions of made-up inputs', whole, 16)
    .option('--batch <n>', 'their first dimension', whole, 1)
    .addOption(kernels)
    .addOption(shadow)
    .addOption(json)
    .action(async (folder, f) => (await import('./model.js')).model(folder, f));
  command('conformance', "tfjs-core's own specs on the backend")
    .addOption(
      new Option(
        '--set <set>',
        'the kernels of BERT, what can apply to a fixed-point, asynchronous, inference backend, or every spec',
      )
        .choices(['bert', 'inference', 'all'])
        .default('bert'),
    )
    .addOption(new Option('--backend <backend>', 'which').choices(['secformer', 'cpu', 'wasm']).default('secformer'))
    .option(
      '--fold',
      "what the specs' own values decide is computed in this process, as for users, and not at the nodes",
      false,
    )
    .option('--grep <text>', 'only specs with this in their name')
    .option('--failures', 'list what failed, and why')
    .addOption(json)
    .action(async (f) => (await import('./conformance/conformance.js')).conformance(f));
  command(
    'everyday',
    "small programs as TensorFlow.js users write them, on 'cpu' and on 'secformer': right, refused or wrong",
  )
    .option('--only <pattern>', 'programs whose name matches')
    .option('--repeat <n>', 'runs of each program that could go wrong now and then', whole)
    .option('--models <folder>', 'also the models in it, samples.json beside each')
    .addOption(json)
    .action(async (f) => (await import('./everyday/everyday.js')).everyday(f));
  command('gemm', 'the ring matrix product')
    .option('--m <n>', 'rows', whole, 128)
    .option('--n <n>', 'columns', whole, 3072)
    .option('--k <n>', 'depth', whole, 768)
    .addOption(json)
    .action(async (f) => (await import('./gemm.js')).gemm(f));
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    const { exitCode, code, message } = error as { exitCode?: number; code?: string; message: string };
    if (code?.startsWith('commander.')) {
      process.exitCode = exitCode === 0 ? 0 : 2;
    } else if (error instanceof UsageError || code === 'BAD_MODEL_FILE' || code === 'BAD_CONFIGURATION') {
      process.stderr.write(`bench: ${message}\n`);
      process.exitCode = 2;
    } else if (typeof code === 'string') {
      // Of a node, of a model or of the system: what happened is in the message; threads may still run
      process.stderr.write(`bench: ${message} (${code})\n`);
      end(1);
    } else {
      throw error;
    }
  }
}
