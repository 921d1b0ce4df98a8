/**
 * What the present session has of the tensors that the caller wrote, and how it comes to it. Connections outlive a
 * backend instance, which TF.js disposes and makes again, so there is one of it.
 */
import { errorOf, limits, type OnProgress, reportOf, throwIfAborted, unless } from '@secformer/party-node';
import { checkFixed, EncodingError, SecformerError, sizeOf } from '@secformer/ring';
import { type Forms, writtenTensor } from '@secformer/secformer-ops';
import { runtime } from '#runtime';
import type { Resolved } from './config.js';
import { checkFactor } from './factors.js';
import type { Fresh, Reply, Request, RunJob, Write } from './runtime/messages.js';

/** Values that travel to the session's thread at a time. */
const BATCH_BYTES = 4 * 2 ** 20;

/** How many of these are under way: one is made while another travels and a third is shared. */
const BATCHES = 3;

/** What a read needs of the caller's tensors. */
export interface Sources {
  /** how to share each of them */
  sources: ReadonlyMap<number, () => Write>;
  /** those that products of matrices take as they are */
  factors: ReadonlySet<number>;
}

/** What a read needs of the caller's tensors, and what for. */
export interface Needed extends Sources {
  job: RunJob;
}

let nextRequest = 1;

/** A number for a request. */
export function newRequest(): number {
  return nextRequest++;
}

/** What every request that may need a connection has. */
export function requestOf({ calibration: _, onProgress: __, ...configuration }: Resolved): {
  id: number;
  configuration: Resolved;
} {
  return { id: newRequest(), configuration };
}

const known = new Set<number>();
const checkedFactors = new Set<number>();
let session = -1;
let turn: Promise<unknown> = Promise.resolve();

/** Does `f` for some of them at a time. @throws what the first failed with, once none is under way any more */
export async function severalAtOnce<T>(all: Iterable<T>, f: (one: T) => Promise<void>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const failed: unknown[] = [];
  for (const one of all) {
    const mine: Promise<void> = f(one)
      .catch((error: unknown) => void failed.push(error))
      .then(() => void underWay.delete(mine));
    underWay.add(mine);
    if (underWay.size >= BATCHES) await Promise.race(underWay);
    if (failed.length > 0) break;
  }
  await Promise.all(underWay);
  if (failed.length > 0) throw failed[0];
}

/** The request that a few tensors are shared by. */
function sharing(writes: Write[], c: Resolved): Request {
  return { ...requestOf(c), kind: 'share', writes };
}

/**
 * Shares what the session does not have, or exactly what it named as missing. One call follows another, so that the
 * same tensor is sent to the session once, whoever needs it.
 * @param hear hears how far it is, in bytes of the tensors that are shared
 * @param signal gives it up: what has not been sent stays here
 * @returns milliseconds that it took
 * @throws EncodingError where a value is not finite or out of range, before anything is sent
 */
export async function share(
  needed: Needed,
  c: Resolved,
  missing?: number[],
  hear: OnProgress | undefined = c.onProgress,
  signal?: AbortSignal,
): Promise<number> {
  const all = async () => {
    throwIfAborted(signal);
    const given = checkedSources(needed, missing);
    const of = bytesOf(given);
    let [ms, done] = [0, 0];
    const send = async ({ writes, bytes }: Batch) => {
      hear?.({ phase: 'sharing', done, of });
      settled(await runtime.ask(sharing(writes, c), hear, signal), writes);
      done += bytes;
      if (done === of) hear?.({ phase: 'sharing', done, of });
    };
    const sendAll = async (some: readonly Source[], forms?: ReadonlyMap<number, Forms>) => {
      const start = performance.now();
      await severalAtOnce(batchesOf(some, forms), send);
      if (some.length > 0) ms += performance.now() - start;
    };
    // In which forms the others are best shared is planned with what is known of these
    await sendAll(given.filter(({ known }) => known));
    const hidden = given.filter(({ known }) => !known);
    const asking = formsRequest(hidden, needed.job, c);
    await sendAll(hidden, asking && formsIn(await runtime.ask(asking, undefined, signal)));
    return ms;
  };
  const queued = () => {
    const mine = turn.then(all);
    turn = mine.catch(() => {});
    return mine;
  };
  return unless(signal, queued);
}

/**
 * The same while this thread waits. What another call has under way is sent again; the session knows that it has it.
 */
export function shareSync(needed: Needed, c: Resolved, missing?: number[]): number {
  let ms = 0;
  const given = checkedSources(needed, missing);
  const send = (some: readonly Source[], forms?: ReadonlyMap<number, Forms>) => {
    for (const { writes } of batchesOf(some, forms))
      ms += settled(runtime.askSync(sharing(writes, c), c.syncTimeoutMs), writes);
  };
  send(given.filter(({ known }) => known));
  const hidden = given.filter(({ known }) => !known);
  const asking = formsRequest(hidden, needed.job, c);
  send(hidden, asking && formsIn(runtime.askSync(asking, c.syncTimeoutMs)));
  return ms;
}

/** A tensor to share; the values of one that is not known have been looked at. */
export interface Source extends Fresh {
  elements: number;
  /** of a public tensor, which is not shared */
  known: boolean;
  write: () => Write;
}

/**
 * What is to be shared. All that is secret is looked at before any of it leaves: nodes that see an upload end early
 * would learn that a value was out of range. What is public is looked at by whoever writes it.
 * @throws EncodingError where a secret value is not finite or out of range
 */
export function checkedSources({ sources, factors }: Sources, missing: number[] | undefined): Source[] {
  const wanted = missing ?? [...sources.keys()].filter((t) => !known.has(t));
  const given = wanted.flatMap((tensor): Source[] => {
    const write = sources.get(tensor);
    if (!write) return [];
    const made = write();
    const { fracBits, shape, known = false } = made;
    if (!known) checkWrite(made);
    if (factors.has(tensor) && !checkedFactors.has(tensor)) {
      checkFactor(made);
      checkedFactors.add(tensor);
    }
    return [{ tensor, fracBits, elements: sizeOf(shape), known, write }];
  });
  for (const t of factors) {
    const source = checkedFactors.has(t) ? undefined : sources.get(t);
    if (!source) continue;
    checkFactor(source());
    checkedFactors.add(t);
  }
  return given;
}

/** Asks in which forms to share them, if there is one that may have another than a share. */
function formsRequest(given: readonly Source[], job: RunJob, c: Resolved): Request | undefined {
  if (!given.some(({ elements }) => elements >= limits.openedElements)) return undefined;
  const fresh = given.map(({ tensor, fracBits }) => ({ tensor, fracBits }));
  return { ...requestOf(c), kind: 'forms', job, fresh };
}

/** Where they cannot be said, what goes wrong is met by the run. */
function formsIn(reply: Reply): ReadonlyMap<number, Forms> {
  meet(reply);
  if ('error' in reply) throw raised(reply.error);
  return new Map('answer' in reply ? reply.answer.forms : []);
}

const bytesOf = (given: readonly Source[]) => given.reduce((n, { elements }) => n + 4 * elements, 0);

/** Tensors that travel together, and their bytes. */
interface Batch {
  writes: Write[];
  bytes: number;
}

/** A few at a time, so that a model is never copied as a whole. */
export function* batchesOf(given: readonly Source[], forms?: ReadonlyMap<number, Forms>): Iterable<Batch> {
  let batch: Write[] = [];
  let bytes = 0;
  for (const { tensor, write } of given) {
    const form = forms?.get(tensor);
    const made = form ? { ...write(), forms: form } : write();
    batch.push(made);
    bytes += made.values.byteLength;
    if (bytes < BATCH_BYTES) continue;
    yield { writes: batch, bytes };
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield { writes: batch, bytes };
}

/** @throws EncodingError, as the session would, where a value is not finite or out of range */
function checkWrite({ values, shape }: Write): void {
  try {
    checkFixed(values, writtenTensor.magnitude, `a tensor of shape [${shape}]`);
  } catch (error) {
    throw raised(reportOf(error, 'client'));
  }
}

function settled(reply: Reply, writes: Write[]): number {
  meet(reply);
  if ('error' in reply) throw raised(reply.error);
  for (const { tensor } of writes) known.add(tensor);
  return 'answer' in reply ? reply.answer.setupMs : 0;
}

/** Hears who answered: another session than the last one knows nothing of what that one had. */
export function meet(reply: Reply): void {
  if (reply.session === session) return;
  session = reply.session;
  known.clear();
}

/** Notes that the session has these. */
export function had(tensors: Iterable<number>): void {
  for (const t of tensors) known.add(t);
}

/** Gives tensors up. The session frees them once no request that came before uses them. */
export function free(tensors: number[]): void {
  if (tensors.length === 0) return;
  for (const t of tensors) {
    known.delete(t);
    checkedFactors.delete(t);
  }
  runtime.tell({ id: 0, kind: 'free', tensors });
}

/** Error classes a user meets, whatever thread they come from. */
export function raised(error: Extract<Reply, { error: unknown }>['error']): Error {
  if (error.code === 'VALUE_OUT_OF_RANGE') return new EncodingError(error.message);
  if (error.code === 'BAD_PROGRAM' || error.code === 'RUN_FAILED') return new SecformerError(error.code, error.message);
  return errorOf(error);
}
