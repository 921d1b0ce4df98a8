/** `secformer ask`: texts to a published model, and its answers. */
import { answerOf, TextModel } from '@secformer/bert-loader';
import { cellsOf } from './cells.js';
import { UsageError } from './failures.js';
import { type IdentityFlags, readGrant, readIdentity } from './files.js';
import type { Interrupts } from './interrupts.js';
import { Progress } from './progress.js';
import type { LoadOptions, Model, Service } from './service.js';
import { columns, printable, type Terminal } from './terminal.js';
import { loadTf } from './tfjs.js';

export interface AskFlags extends IdentityFlags {
  grant?: string;
  json?: boolean;
}

/** Longest text that is shown beside its answer. */
const COLUMNS = 60;

/**
 * @param texts none: those on standard input, one a line
 * @param interrupts asked for once there are texts: until then Ctrl-C ends the process
 * @throws UsageError, and what `loadPublished` of the backend and a read throw
 */
export async function askTexts(
  ref: string,
  texts: readonly string[],
  flags: AskFlags,
  service: Service,
  terminal: Terminal,
  interrupts: () => Interrupts,
): Promise<void> {
  const identity = readIdentity(flags);
  const grant = flags.grant === undefined ? undefined : readGrant(flags.grant);
  const asked = texts.length > 0 ? texts : linesOf(await standardInput());
  if (asked.length === 0) throw new UsageError('there is no text to ask about');
  await loadTf();
  const progress = new Progress(terminal);
  const { signal, release } = interrupts();
  const onProgress: LoadOptions['onProgress'] = (event) => progress.asking(event);
  try {
    const access = { ...identity, ...(grant !== undefined && { grant }) };
    const model = await service.loadPublished(ref, { ...access, onProgress, signal });
    try {
      await answered(model, asked, { json: flags.json === true, terminal, progress, signal });
    } finally {
      model.dispose();
    }
  } finally {
    progress.stop();
    release();
  }
}

interface Asking {
  json: boolean;
  terminal: Terminal;
  progress: Progress;
  signal: AbortSignal;
}

async function answered(model: Model, texts: readonly string[], { json, terminal, progress, signal }: Asking) {
  const asked = await TextModel.of(model, { signal });
  const { labels, several } = asked.reading;
  const reading = { labels: labels.map(printable), several };
  const rows = await asked.ask(texts, { signal });
  progress.stop();
  const answers = rows.map(({ name, shape, values }) => answerOf(name, shape, values, reading));
  const cut = (i: number) => (rows[i]!.truncated ? { truncated: true } : {});
  if (json) return answers.forEach((a, i) => void terminal.out(JSON.stringify({ text: texts[i], ...a, ...cut(i) })));
  for (const line of columns(answers.map((a, i) => [...cellsOf(a), shown(texts[i]!)]))) terminal.out(line);
  const count = rows.filter(({ truncated }) => truncated).length;
  if (count > 0)
    terminal.err(`${count} of ${texts.length} texts ${count === 1 ? 'was' : 'were'} cut to what the model takes`);
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
