/**
 * One process at a time uses a store: a file names it. That of a process that is gone is taken over; on Linux a process
 * is told from a later one of its number by when it started. Processes that do not see each other (in containers that
 * share a folder, or on machines that share a disk) are not kept apart.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NodeError, type NodeName } from '../errors.js';
import { systemCode } from './failures.js';

/** Its name in the store's folder; what is on its way to that name has 16 hexadecimal digits after it. */
export const LOCK = '.lock';
const DIGITS = 16;
const DRAFT = new RegExp(`^\\.lock\\.[0-9a-f]{${DIGITS}}$`);

const holder = z.object({ pid: z.number().int().min(1), started: z.string().optional() });
type Holder = z.infer<typeof holder>;

/** Tries to take a lock over from processes that are gone: others may be about to do so too. */
const TRIES = 5;
/** How long another process may take over it. */
const PAUSE_MS = 50;

/**
 * When a process started, in a form that no later process of its number has; undefined where the system does not say.
 */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The name of the program, in brackets, may hold spaces and brackets; the start is the 20th field after it
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks && `${boot.trim()}/${ticks}`;
  } catch {
    return undefined;
  }
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is one
    if (systemCode(error) !== 'EPERM') return false;
  }
  return started === undefined || (await startOf(pid)) === started;
}

function holderOf(text: string): Holder | undefined {
  try {
    return holder.parse(JSON.parse(text));
  } catch {
    // Its process ended while it wrote: the lock is taken whole, so this is no lock
    return undefined;
  }
}

/**
 * Takes a folder for this process.
 * @returns what gives it back
 * @throws NodeError BAD_CONFIGURATION where a process that lives has it, or others may look into it; errors of the file
 * system
 */
export async function lockFolder(dir: string, node: NodeName): Promise<() => Promise<void>> {
  await checkPrivate(dir, node);
  const path = join(dir, LOCK);
  const started = await startOf(process.pid);
  const mine = `${JSON.stringify({ pid: process.pid, ...(started && { started }), nonce: token() })}\n`;
  const draft = join(dir, `${LOCK}.${token()}`);
  // A link to a whole file is made at once or not at all, so that nobody reads half a lock
  await writeFile(draft, mine, { mode: 0o600, flag: 'wx' });
  try {
    for (let i = 0; i < TRIES; i++) {
      if (!(await linked(draft, path))) {
        await clearStale(path, draft, dir, node);
        continue;
      }
      // Of processes that ended over this
      for (const name of await readdir(dir)) if (DRAFT.test(name)) await clearDraft(join(dir, name));
      return () => release(path, mine);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new NodeError(node, 'BAD_CONFIGURATION', `other processes keep taking ${path}; let one node use this folder`);
}

/** Shares and keys lie in it: nobody else on this machine may look into it. */
async function checkPrivate(dir: string, node: NodeName): Promise<void> {
  // Windows has no such modes
  if (process.platform === 'win32') return;
  if (((await stat(dir)).mode & 0o077) !== 0)
    throw new NodeError(
      node,
      'BAD_CONFIGURATION',
      `${dir} can be used by others on this machine; do: chmod 700 ${dir}`,
    );
}

const token = () => randomBytes(DIGITS / 2).toString('hex');

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error);
    // A draft that was not written in full when another process took the lock is gone
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw error;
  }
}

/** Removes what a process that is gone left on its way to a lock. */
async function clearDraft(file: string): Promise<void> {
  const text = await readIfThere(file);
  const writer = text === undefined ? undefined : holderOf(text);
  if (!writer || !(await isAlive(writer))) await rm(file, { force: true });
}

/** Removes the lock of a process that is gone, where that is this one's to do. */
async function clearStale(path: string, draft: string, dir: string, node: NodeName): Promise<void> {
  const text = await readIfThere(path);
  if (text === undefined) return;
  const held = holderOf(text);
  if (held && (await isAlive(held)))
    throw new NodeError(
      node,
      'BAD_CONFIGURATION',
      `process ${held.pid} uses the models in ${dir}; stop it, or give this node a folder of its own` +
        (held.started === undefined ? `; if no node runs there, remove ${path}` : ''),
    );
  const right = await rightToClear(text, draft, dir);
  if (right === undefined) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return;
  }
  // Nobody else removes this lock now, so it cannot have become another's when it is removed
  if ((await readIfThere(path)) === text) await unlink(path);
  await rm(right, { force: true });
}

/**
 * Takes the right to remove a lock that nobody holds. Two that have both read it may not both remove what lies there:
 * by then it may be the other's own. It is a file named for the lock's text; the right of a process that is gone passes
 * on in the same way.
 * @returns that file, or undefined where a process that lives has the right
 */
async function rightToClear(text: string, draft: string, dir: string): Promise<string | undefined> {
  const name = createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
  const right = join(dir, `${LOCK}.${name}`);
  if (await linked(draft, right)) return right;
  const theirs = await readIfThere(right);
  const holder = theirs === undefined ? undefined : holderOf(theirs);
  if (theirs === undefined || !holder || (await isAlive(holder))) return undefined;
  return rightToClear(theirs, draft, dir);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readIfThere(path)) === mine) await unlink(path);
}
