/** `secformer ask`: texts to a published model, and its answers. */
import { loadConfig, loadTokenizer, type ReadFile, tokenizeTexts } from '@secformer/bert-loader';
import { answerOf, cellsOf, type Reading } from './answers.js';
import { type Batch, batchesOf, textShapes } from './batches.js';
import { UsageError } from './failures.js';
import { type IdentityFlags, readGrant, readIdentity } from './files.js';
import { Progress } from './progress.js';
import type { LoadOptions, Model, Service } from './service.js';
import { columns, printable, type Terminal } from './terminal.js';
import { loadTf, type Tf } from './tfjs.js';

export interface AskFlags extends IdentityFlags {
  grant?: string;
  json?: boolean;
}

/** One text's part of an output. */
interface Row {
  name: string;
  shape: number[];
  values: Float32Array;
}

/** Longest text that is shown beside its answer. */
const COLUMNS = 60;

/**
 * @param texts none: those on standard input, one a line
 * @throws UsageError, and what `loadPublished` of the backend and a read throw
 */
export async function askTexts(
  ref: string,
  texts: readonly string[],
  flags: AskFlags,
  service: Service,
  terminal: Terminal,
): Promise<void> {
  const identity = readIdentity(flags);
  const grant = flags.grant === undefined ? undefined : readGrant(flags.grant);
  const asked = texts.length > 0 ? texts : linesOf(await standardInput());
  if (asked.length === 0) throw new UsageError('there is no text to ask about');
  const { tf } = await loadTf();
  const progress = new Progress(terminal);
  const onProgress: LoadOptions['onProgress'] = (event) => progress.asking(event);
  try {
    const model = await service.loadPublished(ref, { ...identity, ...(grant !== undefined && { grant }), onProgress });
    try {
      await answered(model, asked, { tf, json: flags.json === true, terminal, progress });
    } finally {
      model.dispose();
    }
  } finally {
    progress.stop();
  }
}

interface Asking {
  tf: Tf;
  json: boolean;
  terminal: Terminal;
  progress: Progress;
}

async function answered(model: Model, texts: readonly string[], { tf, json, terminal, progress }: Asking) {
  const shapes = textShapes(model.manifest);
  const { tokenizer, longest, reading } = await assetsOf(model);
  const tokens = texts.map((text) => tokenizer.encode(text, Number.POSITIVE_INFINITY).ids.length);
  const rows: Row[] = [];
  const truncated: boolean[] = [];
  for (const batch of batchesOf(tokens, shapes)) {
    const given = padded(batch, texts);
    const length = Math.min(batch.length, longest);
    const inputs = tokenizeTexts(tokenizer, length, given, length);
    const own = await rowsOf(model, inputs, tf);
    batch.texts.forEach((text, i) => {
      rows[text] = own[i]!;
      truncated[text] = inputs.truncated[i]!;
    });
  }
  progress.stop();
  const answers = rows.map(({ name, shape, values }) => answerOf(name, shape, values, reading));
  const cut = (i: number) => (truncated[i] ? { truncated: true } : {});
  if (json) return answers.forEach((a, i) => void terminal.out(JSON.stringify({ text: texts[i], ...a, ...cut(i) })));
  for (const line of columns(answers.map((a, i) => [...cellsOf(a), shown(texts[i]!)]))) terminal.out(line);
  const count = truncated.filter(Boolean).length;
  if (count > 0)
    terminal.err(`${count} of ${texts.length} texts ${count === 1 ? 'was' : 'were'} cut to what the model takes`);
}

/** Texts of a run's rows; what is left over are empty ones. */
function padded({ texts, rows }: Batch, all: readonly string[]): string[] {
  return Array.from({ length: rows }, (_, i) => (i < texts.length ? all[texts[i]!]! : ''));
}

/** Asks the model, and divides its first output by texts. */
async function rowsOf(model: Model, inputs: ReturnType<typeof tokenizeTexts>, tf: Tf): Promise<Row[]> {
  const { inputIds, attentionMask, tokenTypeIds } = inputs;
  const { name } = model.manifest.programs[0]!.outputs[0]!;
  const output = model.execute({ ids: inputIds, mask: attentionMask, segments: tokenTypeIds }, name);
  const [first] = [output].flat();
  try {
    const values = (await first!.data()) as Float32Array;
    const [batch, ...shape] = first!.shape as [number, ...number[]];
    const size = values.length / batch;
    return Array.from({ length: batch }, (_, i) => ({ name, shape, values: values.slice(i * size, (i + 1) * size) }));
  } finally {
    tf.dispose([inputIds, attentionMask, tokenTypeIds, ...[output].flat()]);
  }
}

/** What a model's public files say of its texts and its labels. */
async function assetsOf(model: Model) {
  const { name, version, assets } = model.manifest;
  const there = new Map<string, Promise<Uint8Array>>();
  const read: ReadFile = async (file) => {
    if (!assets.some((a) => a.name === file)) return undefined;
    const got = there.get(file) ?? model.asset(file);
    there.set(file, got);
    return got;
  };
  const where = `${name}@${version}`;
  if (!assets.some((a) => a.name === 'config.json' || a.name === 'modules.json'))
    throw new UsageError(`${where} was published without a tokenizer, so that texts cannot be asked about`);
  const tokenizer = await loadTokenizer(read, where);
  const { labels, longest } = await loadConfig(read, where);
  const config = await read('config.json');
  const { problem_type } = (config ? JSON.parse(new TextDecoder().decode(config)) : {}) as { problem_type?: unknown };
  const reading: Reading = { labels, several: problem_type === 'multi_label_classification' };
  return { tokenizer, longest, reading };
}

async function standardInput(): Promise<string> {
  if (process.stdin.isTTY)
    throw new UsageError('there is no text to ask about: give texts, or lines on standard input');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

function shown(text: string): string {
  const line = printable(text.replaceAll(/\s+/g, ' '));
  return line.length <= COLUMNS ? line : `${line.slice(0, COLUMNS - 1)}…`;
}
