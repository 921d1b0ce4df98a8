/** The folder that a training writes to: made, of one process at a time, and without another model's files. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OLDER_SENTENCE_FILES, TOKENIZER_FILES } from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';

const LOCK = '.training.lock';
/** Files of a folder that say what its model is, beside those that every model that is written has. */
const OF_MODEL: readonly string[] = [...TOKENIZER_FILES, ...OLDER_SENTENCE_FILES, 'modules.json'];
/** What a process that ended in the middle of a write leaves: see `writeWhole` and `saveState`. */
const PART = /\.\d+\.part$/;

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

function refuse(message: string, cause?: unknown): never {
  throw new DistillError('BAD_TRAINING', message, { cause });
}

/**
 * Makes a folder, and those that it is in. Not by mkdir's `recursive`, which never ends below /proc.
 * @throws DistillError BAD_TRAINING where it cannot be made, or is none
 */
export async function makeFolder(folder: string): Promise<void> {
  if (folder === '') refuse('the folder of the model that is made has no name');
  try {
    await made(folder);
  } catch (cause) {
    refuse(`${folder}: is no folder that can be written to (${(cause as Error).message})`, cause);
  }
}

async function made(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(folder) !== folder) {
      await made(dirname(folder));
      await mkdir(folder);
    } else if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
  }
}

/** When a process began, by the system's own count, where it says: a number is given to another process one day. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Its name, in brackets, may hold spaces; the start is the 20th field after it
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

async function isAlive(pid: number, started: unknown): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  const now = await startOf(pid);
  return typeof started !== 'string' || now === undefined || now === started;
}

/** Takes away the lock of a process that is gone. @throws DistillError BAD_TRAINING where it is not */
async function clearStale(lock: string, out: string): Promise<void> {
  const text = await readFile(lock, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const { pid, started } = parsed(text);
  if (pid !== undefined && (await isAlive(pid, started)))
    refuse(
      `${out}: process ${pid} trains into it; wait for its end, or name another folder` +
        (started === undefined ? ` (if there is no such training, remove ${lock})` : ''),
    );
  const aside = `${lock}.${randomUUID()}.part`;
  try {
    await rename(lock, aside);
    // Another process may have taken it since it was read: it is given back
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, lock).catch(() => undefined);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

function parsed(text: string): { pid?: number; started?: unknown } {
  try {
    const { pid, started } = JSON.parse(text) as { pid: unknown; started: unknown };
    return Number.isSafeInteger(pid) && (pid as number) > 0 ? { pid: pid as number, started } : {};
  } catch {
    return {};
  }
}

/**
 * Takes a folder for this process: two trainings that write to one would leave parts of both.
 * @param files names of the files that the model has beside its weights; others of a model would be read with it
 * @returns what gives it back
 * @throws DistillError BAD_TRAINING where another process has it, or it holds files of another model
 */
export async function takeFolder(out: string, files: readonly string[]): Promise<() => Promise<void>> {
  await makeFolder(out);
  const lock = join(out, LOCK);
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid), token: randomUUID() });
  const draft = `${lock}.${randomUUID()}`;
  try {
    await writeFile(draft, mine);
    for (let tries = 0; ; tries++) {
      try {
        // Whole at once, or not at all
        await link(draft, lock);
        break;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || tries === 5) throw error;
        await clearStale(lock, out);
      }
    }
  } catch (cause) {
    if (cause instanceof DistillError) throw cause;
    refuse(`${out}: is no folder that can be written to (${(cause as Error).message})`, cause);
  } finally {
    await rm(draft, { force: true });
  }
  const giveBack = async () => {
    if ((await readFile(lock, 'utf8').catch(() => undefined)) === mine) await rm(lock, { force: true });
  };
  try {
    const there = await readdir(out);
    const foreign = there.filter((name) => OF_MODEL.includes(name) && name !== 'config.json' && !files.includes(name));
    if (foreign.length > 0)
      refuse(`${out}: holds ${foreign.join(', ')} of another model, which would be read with this one; name another`);
    const states = await readdir(join(out, 'states')).catch(() => []);
    const parts = [...there, ...states.map((name) => join('states', name))].filter((name) => PART.test(name));
    for (const name of parts) await rm(join(out, name), { recursive: true, force: true });
  } catch (error) {
    await giveBack();
    throw error;
  }
  return giveBack;
}
