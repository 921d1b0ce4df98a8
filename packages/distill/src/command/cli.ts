import { ATTENTION_FUNCTIONS, type AttentionFunction } from '@secformer/bert-loader/training';
import { Command, InvalidArgumentError, Option } from 'commander';
import { tasks } from '../glue/tasks.js';
import { BACKENDS, type TrainingBackend } from '../model/backend.js';
import { rangesLeft } from '../train/ranges.js';
import type { RunRecord } from '../train/record.js';
import { type TrainingSettings, USUAL } from '../train/settings.js';
import { distill } from './run.js';
import { ProgressBar, standard, type Terminal } from './terminal.js';

/** Exit codes; 0 is success. */
const EXIT = { failed: 1, usage: 2, interrupted: 130 } as const;

const USAGE: readonly unknown[] = ['BAD_TASK_DATA', 'BAD_TRAINING', 'CHECKPOINT_MISMATCH', 'BAD_MODEL_FILE'];

function number(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

const names = (text: string): string[] => text.split(',').map((name) => name.trim());

const divisor = (text: string): number | 'tokens' => (text === 'tokens' ? text : number(text));

interface Flags {
  task: string;
  data?: string;
  trainFile?: string;
  devFile?: string;
  textsOf?: string[];
  model?: string;
  teacher?: string;
  out: string;
  student?: AttentionFunction;
  layerNorm?: 'standard' | 'affine';
  power?: 1 | 2 | 4;
  divisor?: number | 'tokens';
  constant?: number;
  epochs: number;
  hiddenEpochs: number;
  oneLayerAtATime?: boolean;
  logits: number;
  labels: number;
  hidden: number;
  batch: number;
  microBatch?: number;
  length: number;
  rate: number;
  constantRate: number;
  warmup: number;
  decay: number;
  clip: number;
  dropout?: number;
  seed: number;
  evaluateEvery: number;
  saveEvery: number;
  patience: number;
  temperature: number;
  cap: number;
  capWeight: number;
  fit: number;
  calibration: number;
  freezeWords?: boolean;
  half?: boolean;
  limit?: number;
  backend?: TrainingBackend;
  resume?: boolean;
  json?: boolean;
}

function command(terminal: Terminal): Command {
  const known = Object.keys(tasks).join(', ');
  return new Command('distill')
    .description('fine-tunes a BERT on a task of GLUE, or distils a student that costs less in private inference')
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd().replace(/^error: /, 'distill: ')),
    })
    .exitOverride()
    .requiredOption('--task <name>', known)
    .requiredOption('--out <folder>', 'folder of the model that is made')
    .option('--model <folder>', 'the checkpoint to fine-tune; with --teacher, what a student begins as')
    .option('--teacher <folder>', 'the fine-tuned checkpoint that a student learns from')
    .addOption(new Option('--data <folder>', "the tasks' folders, with train.tsv and dev.tsv").env('SECFORMER_GLUE'))
    .option('--train-file <file>', "in the place of the data's train.tsv")
    .option('--dev-file <file>', "in the place of the data's dev.tsv")
    .option('--texts-of <tasks>', "their training texts too, by the teacher's answers; 'rte,mrpc'", names)
    .addOption(new Option('--student <function>', "the student's attention").choices([...ATTENTION_FUNCTIONS]))
    .addOption(new Option('--layer-norm <kind>', "the student's norms").choices(['standard', 'affine']))
    .option('--power <p>', 'of --student power: 1, 2 or 4', number)
    .option('--divisor <number>', "of --student power: a number, or 'tokens'", divisor)
    .option('--constant <number>', "what each head's constant begins as", number)
    .option('--epochs <n>', 'by labels, or by the logits of the teacher', number, 3)
    .option('--hidden-epochs <n>', 'by hidden states, of attention and again of norms', number, 3)
    .option('--one-layer-at-a-time', 'replaces attention and norms layer by layer, from the top')
    .option('--logits <weight>', "how much the teacher's logits count in the last stage", number, 1)
    .option('--labels <weight>', 'how much the labels count there', number, 0)
    .option('--hidden <weight>', 'how much what layers give counts there', number, 0)
    .option('--batch <n>', 'examples of a step', number, USUAL.batch)
    .option('--micro-batch <n>', 'examples in memory at a time; --batch, if absent', number)
    .option('--length <n>', 'tokens of an example at most', number, USUAL.length)
    .option('--rate <r>', 'of learning, at its highest', number, USUAL.rate)
    .option('--constant-rate <f>', 'times that rate for the constants of attention', number, USUAL.constantRate)
    .option('--warmup <part>', 'part of the steps in which the rate rises', number, USUAL.warmup)
    .option('--decay <d>', 'of weights', number, USUAL.decay)
    .option('--clip <n>', "the gradient's length at most", number, USUAL.clip)
    .option('--dropout <rate>', "everywhere; config.json's, if absent, and none for a student", number)
    .option('--seed <n>', 'of the order, dropout and new heads', number, USUAL.seed)
    .option('--evaluate-every <steps>', '0: at the end of each epoch', number, USUAL.evaluateEvery)
    .option('--save-every <steps>', '0: at each evaluation', number, USUAL.saveEvery)
    .option('--patience <n>', 'evaluations without a better one, then it ends; 0: never', number, USUAL.patience)
    .option('--temperature <t>', 'of the logits', number, USUAL.temperature)
    .option('--cap <bound>', "what a loss keeps the student's scores below; 0: nothing", number, USUAL.cap)
    .option('--cap-weight <weight>', 'how much that loss counts', number, USUAL.capWeight)
    .option('--fit <texts>', 'that attention is fitted by before the first step; 0: it is not', number, USUAL.fit)
    .option('--calibration <batches>', "that norms' constants are measured on", number, USUAL.calibration)
    .option('--freeze-words', "leaves the words' embeddings as they are: steps on short texts take less")
    .option('--half', 'stores the model in 16-bit floats')
    .option('--limit <n>', 'examples of each file at most: for a trial', number)
    .addOption(new Option('--backend <name>', 'the fastest there is, if absent').choices([...BACKENDS]))
    .option('--resume', 'goes on from the newest state in --out')
    .option('--json', 'prints the record without its curve, as JSON');
}

function summary(record: RunRecord, json: boolean): string {
  const { best, steps, curve, seconds, ended, backend } = record;
  const perSecond = curve.length / Math.max(seconds, 1e-9);
  if (json) return JSON.stringify({ task: record.task, backend, steps, done: curve.length, seconds, best, ended });
  const found = best ? `${best.metric} ${best.value.toFixed(4)} at step ${best.step}` : 'not evaluated yet';
  const pace = `${curve.length} of ${steps} steps, ${perSecond.toFixed(2)} a second on ${backend}`;
  return `${record.task}: ${found}; ${pace} (${ended})`;
}

/**
 * The command `secformer-distill`, and `npm run distill` in this repository.
 * @param terminal where it prints; the process's own streams, if absent
 * @param signal ends the training after the step that is under way; Ctrl-C, if absent
 * @returns the exit code: 0, 1 where something broke, 2 where a flag, a file or a folder cannot be used, 130 where it
 * was interrupted and `--resume` goes on
 */
export async function main(argv: string[], terminal = standard, signal?: AbortSignal): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
    terminal.err('ends after this step; again to end at once');
  };
  const bar = new ProgressBar(terminal);
  const parsed = command(terminal);
  if (!signal) for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt);
  try {
    parsed.parse(argv, { from: 'user' });
    const f = parsed.opts<Flags>();
    const { student, layerNorm, power, divisor, constant, dropout, resume = false, json = false } = f;
    const drops: Record<string, number> =
      dropout === undefined ? {} : { hidden: dropout, attention: dropout, head: dropout };
    const changes = { attention: student, layerNorm, power, divisor, constant };
    const record = await distill(
      {
        ...f,
        student: Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)),
        settings: settingsIn(f, drops),
      },
      { resume, signal: signal ?? controller.signal, onProgress: (progress) => bar.show(progress) },
    );
    bar.stop();
    terminal.out(summary(record, json));
    for (const line of rangesLeft(record)) terminal.err(`distill: ${line}`);
    if (record.ended !== 'interrupted') return 0;
    terminal.err(`distill: interrupted; --resume goes on from step ${record.curve.length}`);
    return EXIT.interrupted;
  } catch (error) {
    bar.stop();
    const { exitCode, code, message } = error as { exitCode?: number; code?: string; message?: string };
    // commander has printed its own line already
    if (code?.startsWith('commander.')) return exitCode === 0 ? 0 : EXIT.usage;
    terminal.err(`distill: ${message ?? String(error)}${code === undefined ? '' : ` (${code})`}`);
    return USAGE.includes(code) ? EXIT.usage : EXIT.failed;
  } finally {
    if (!signal) for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt);
  }
}

/** Of the flags those that are settings of a training. */
function settingsIn(f: Flags, dropout: TrainingSettings['dropout']): Partial<TrainingSettings> {
  const named = Object.entries(f).filter(([name, value]) => name in USUAL && value !== undefined);
  return { ...Object.fromEntries(named), dropout };
}
