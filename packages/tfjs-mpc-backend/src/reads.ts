/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Reading: what was recorded runs at the nodes. A read owns what it needs from the moment it is called, so that
 * disposing of a tensor takes effect after the reads that were called before.
 */
import {
  type Abortable,
  asyncDispose,
  dispose,
  errorOf,
  type OnProgress,
  type RunRecord,
  rising,
  throwIfAborted,
} from '@secformer/party-node';
import { runtime } from '#runtime';
import { type Compiled, compile } from './compile.js';
import { configuration, type Resolved } from './config.js';
import { Joined } from './joined.js';
import { executed, hold } from './lifetime.js';
import type { SecretNode } from './node-values.js';
import { rangeLeft } from './range-left.js';
import type { ChosenNetwork } from './runtime/chosen-network.js';
import type { Answer, Reply } from './runtime/messages.js';
import { free, had, meet, raised, requestOf, share, shareSync } from './sharing.js';
import { traitsOf } from './traits.js';

/** What one read took; see `lastRun`. */
export interface LastRun extends RunRecord {
  /** sharing tensors that the nodes did not have yet */
  setupMs: number;
  /** what the run was planned for, and why: see `configure({ network })`; absent of a published model's answer */
  network?: ChosenNetwork;
}

/**
 * A read whose randomness has been dealt ahead. At the end of a block with `using` it is discarded, unless it was run.
 */
export interface PreparedRead extends Disposable, AsyncDisposable {
  /**
   * Does what is left of the read, once. Given up by its signal it is used up too.
   * @param options `trace` asks both parties how their time went, for `record.traces`
   * @returns the tensor's values in row-major order, and what the run took
   * @throws what a read throws; the signal's reason
   */
  run(options?: Abortable & { trace?: boolean }): Promise<{ values: Float32Array; record: LastRun }>;
  /** Discards it where it was not run: the nodes let the randomness go, and this process what it has held. */
  cancel(): void;
}

let last: LastRun | undefined;
/** Reads follow one another: what one leaves at the nodes the next one finds there. */
let queue: Promise<unknown> = Promise.resolve();
const underWay = new Map<SecretNode, Joined<Float32Array>>();

/** Lets go of what a prepared read needs when the caller has dropped it unused. */
const abandoned = new FinalizationRegistry<() => void>((release) => release());

/** What the most recent read took: times, bytes, rounds and memory; undefined before the first. */
export function lastRun(): LastRun | undefined {
  return last;
}

/** Notes what an answer took. */
export function noteRun(run: LastRun): void {
  last = run;
}

/** A read of a node as it is configured now. */
export function compiledFor(node: SecretNode, { suite, calibration, fold, onRange } = configuration()): Compiled {
  const compiled = compile(node, suite, calibration, fold);
  if (onRange !== 'ignore') compiled.job.watched = true;
  return compiled;
}

/**
 * Values of a node. Reads of the same node that are under way at the same time are one.
 * @param signal ends this wait, and with the last one the read
 */
export function read(node: SecretNode, signal?: AbortSignal): Promise<Float32Array> {
  let one = underWay.get(node);
  if (!one || one.isGivenUp) {
    const c = configuration();
    const release = hold([node]);
    const before = queue;
    // Compiled when its turn comes, and not within the caller's tf.tidy, where all intermediate handles are still alive
    const mine = new Joined(async (signal) => {
      try {
        await before;
        throwIfAborted(signal);
        return node.values ?? (await readNow(node, c, signal));
      } finally {
        if (underWay.get(node) === mine) underWay.delete(node);
        release();
      }
    });
    queue = mine.over();
    underWay.set(node, mine);
    one = mine;
  }
  return one.wait(signal);
}

async function readNow(node: SecretNode, c: Resolved, signal: AbortSignal): Promise<Float32Array> {
  const compiled = compiledFor(node, c);
  const release = hold(compiled.needs);
  try {
    finish(node, compiled, await perform(compiled, c, 'run', { hear: hearOf(c), signal }), c);
    return node.values!;
  } finally {
    release();
  }
}

/** The same while this thread waits, beside reads that are under way. */
export function readSync(node: SecretNode): Float32Array {
  if (node.values) return node.values;
  const c = configuration();
  const compiled = compiledFor(node, c);
  const attempt = (missing?: number[]) => {
    const setupMs = shareSync(compiled, c, missing);
    const answer = settled(
      runtime.askSync({ ...requestOf(c), kind: 'run', job: compiled.job }, c.syncTimeoutMs),
      compiled,
    );
    return Array.isArray(answer) ? answer : { ...answer, setupMs };
  };
  let answer = attempt();
  if (Array.isArray(answer)) answer = attempt(answer);
  if (Array.isArray(answer)) throw lost(answer);
  finish(node, compiled, answer, c);
  return node.values!;
}

/** Deals the randomness of a read ahead; `run` then is what a client waits for. What it needs is kept until then. */
export async function prepare(
  node: SecretNode,
  { signal }: Abortable = {},
): Promise<PreparedRead & { record: { setupMs: number } }> {
  throwIfAborted(signal);
  const { compiled, c, release } = await compiledLater(node);
  const hear = hearOf(c);
  try {
    const answer = await perform(compiled, c, 'prepare', { hear, signal });
    const prepared = answer.outputs[0]![0]!;
    const unused = discarding(prepared, release);
    const state = { used: false };
    const run: PreparedRead['run'] = async ({ trace = false, signal } = {}) => {
      throwIfAborted(signal);
      state.used = true;
      abandoned.unregister(state);
      const start = { id: requestOf(c).id, kind: 'start', prepared, trace } as const;
      try {
        const result = settled(await runtime.ask(start, hear, signal), compiled);
        if (Array.isArray(result)) throw lost(result);
        finish(undefined, compiled, result, c);
        return { values: valuesOf(result, compiled), record: last! };
      } catch (error) {
        if (signal?.aborted) dropKept(compiled);
        throw error;
      } finally {
        release();
      }
    };
    const cancel = () => {
      if (state.used) return;
      state.used = true;
      abandoned.unregister(state);
      unused();
    };
    // As long as one of the two functions is there, so is what both know
    abandoned.register(state, unused, state);
    const record = { setupMs: answer.setupMs };
    return { record, run, cancel, [dispose]: cancel, [asyncDispose]: async () => cancel() };
  } catch (error) {
    release();
    throw error;
  }
}

/** What is done with an unused one. Made apart, for it must not hold what it is registered for. */
function discarding(prepared: number, release: () => void): () => void {
  return () => {
    release();
    runtime.tell({ id: 0, kind: 'discard', prepared });
  };
}

/** Shares what a read of a node will need, and no more. @returns milliseconds */
export async function shareFor(node: SecretNode, { signal }: Abortable = {}): Promise<number> {
  throwIfAborted(signal);
  const { compiled, c, release } = await compiledLater(node);
  try {
    return await share(compiled, c, undefined, c.onProgress, signal);
  } finally {
    release();
  }
}

/** A read, compiled once the caller's tf.tidy is over, and what it needs is held. */
async function compiledLater(node: SecretNode): Promise<{ compiled: Compiled; c: Resolved; release: () => void }> {
  const c = configuration();
  const release = hold([node]);
  try {
    await null;
    const compiled = compiledFor(node, c);
    return { compiled, c, release: hold(compiled.needs) };
  } finally {
    release();
  }
}

/** Hears how far one read is. */
const hearOf = ({ onProgress }: Resolved) => onProgress && rising(onProgress);

async function perform(
  compiled: Compiled,
  c: Resolved,
  kind: 'run' | 'prepare',
  { hear, signal }: { hear: OnProgress | undefined; signal: AbortSignal | undefined },
): Promise<Answer> {
  const attempt = async (missing?: number[]) => {
    const setupMs = await share(compiled, c, missing, hear, signal);
    const request = { ...requestOf(c), kind, job: compiled.job };
    const reply = await runtime.ask(request, hear, signal).catch((error) => {
      if (signal?.aborted) dropKept(compiled);
      throw error;
    });
    const answer = settled(reply, compiled);
    return Array.isArray(answer) ? answer : { ...answer, setupMs };
  };
  let answer = await attempt();
  // A new session has nothing yet: what the caller wrote is shared again
  if (Array.isArray(answer)) answer = await attempt(answer);
  if (Array.isArray(answer)) throw lost(answer);
  return answer;
}

/** Of what was given up nothing stays at the nodes, also where it was over there already. */
function dropKept({ job }: Compiled): void {
  free(job.kept.map(({ tensor }) => tensor));
}

/** @returns the answer, or the tensors that the session would need and does not have */
function settled(reply: Reply, { sources }: Compiled): Answer | number[] {
  meet(reply);
  if ('error' in reply) throw raised(reply.error);
  if ('missing' in reply) return reply.missing;
  had(sources.keys());
  return reply.answer;
}

/** What was asked for, of what the nodes have computed. */
function valuesOf({ outputs }: Answer, { finish }: Compiled): Float32Array {
  return finish ? finish(outputs[0]!) : outputs[0]!;
}

/**
 * @throws SecformerError RANGE_LEFT where values have left the range that a protocol holds, and nobody chose otherwise
 */
function finish(target: SecretNode | undefined, compiled: Compiled, answer: Answer, { onRange }: Resolved): void {
  const { kept, job } = compiled;
  const { record, setupMs, network } = answer;
  if (record) last = { ...record, setupMs, ...(network && { network }) };
  const refused = rangeLeft(answer.left ?? [], onRange);
  if (refused) {
    // What stays there may be wrong too: nobody uses it, and it goes when it would have gone, so that no node can tell
    kept.forEach(({ node }, i) => {
      const { tensor } = job.kept[i]!;
      if (node.users === 0) free([tensor]);
      else node.unusable.push(tensor);
    });
    throw refused;
  }
  // A read that waited on this thread may have been faster: a value that was seen stays what it is
  if (target && !target.values) {
    // They follow from what it was made of, which goes
    traitsOf(target);
    target.values = valuesOf(answer, compiled);
    executed(target);
  }
  kept.forEach(({ node }, i) => {
    const { tensor } = job.kept[i]!;
    if (node.users === 0 || node.tensor !== undefined || node.values) {
      free([tensor]);
      return;
    }
    node.tensor = tensor;
    executed(node);
  });
}

function lost(tensors: number[]): Error {
  const [what, it] = tensors.length > 1 ? ['tensors', 'them'] : ['tensor', 'it'];
  return errorOf({
    node: 'client',
    code: 'TENSOR_LOST',
    message:
      `${tensors.length} computed ${what} went with a connection that was lost; compute ${it} again from ` +
      `tensors you wrote`,
  });
}
