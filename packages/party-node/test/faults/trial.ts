/** A trial: something is done while one link misbehaves as a seed says, and once more when it behaves again. */
import { NodeError } from '../../src/index.js';
import { randomFrom } from '../attacks/kit.js';
import { LINKS, type LinkName, type Proxied } from './nodes.js';
import { CARRIED, CHANGED, type FaultKind, type Script, scriptFrom, show } from './script.js';

/** How long whatever is done may take to succeed or to fail. */
export const PATIENCE_MS = 15_000;
/** What a busy machine adds. */
const LATE_MS = 2_500;
/** How long what is late is waited for. */
const LAST_MS = 130_000;

/**
 * 'right' or 'refused', with one NodeError that names a node, in time: as it should be. 'late' is either of them
 * afterwards; 'wrong' a result that is not right; 'untyped' any other error.
 */
export type Verdict = 'right' | 'refused' | 'late' | 'wrong' | 'untyped';

export interface Trial {
  seed: number;
  link: LinkName;
  script: Script;
  /** how many steps of the script have happened */
  fired: number;
  verdict: Verdict;
  ms: number;
  error?: unknown;
  /** what came of the same thing afterwards, with nothing wrong: 'right', or why not */
  next: string;
}

/** A result that is not right. */
export class WrongResult extends Error {}

/** Both criteria: an end in time that is right or says whose failure it was, and no harm to what comes after. */
export function passed({ verdict, next }: Trial): boolean {
  return (verdict === 'right' || verdict === 'refused') && next === 'right';
}

/**
 * What holds where somebody changes frames and no TLS notices it: answers may then be wrong or not come, but no node is
 * harmed, and errors are still those of nodes.
 */
export function survived({ verdict, next }: Trial): boolean {
  return verdict !== 'untyped' && next === 'right';
}

/** A trial in a line. */
export function told({ seed, link, script, fired, verdict, ms, error, next }: Trial): string {
  const why = error === undefined ? '' : ` (${error instanceof NodeError ? `${error.code}: ` : ''}${messageOf(error)})`;
  return (
    `seed ${seed}, ${link}, ${show(script)}; ${fired} of ${script.length} happened: ` +
    `${verdict} after ${Math.round(ms)} ms${why}${next === 'right' ? '' : `; then ${next}`}`
  );
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export interface Faults {
  link: LinkName;
  script: Script;
}

/** The link and the script of a seed. @param pings whether stalls are possible that let pings pass; without TLS only */
export function faultsOf(seed: number, kinds: readonly FaultKind[], pings: boolean): Faults {
  const random = randomFrom(seed);
  const link = LINKS[random(LINKS.length)]!;
  return { link, script: scriptFrom(random(2 ** 31), kinds, pings) };
}

/** Over TLS somebody on the way may change what passes, and is noticed. */
const usual = (seed: number, tls: boolean) => faultsOf(seed, tls ? [...CARRIED, ...CHANGED] : CARRIED, !tls);

/**
 * Does something while one link misbehaves.
 * @param act makes a session of its own and ends it; throws `WrongResult`, or what it was refused with
 * @param lastMs how long what is late is waited for
 */
export async function trial(
  nodes: Proxied,
  seed: number,
  act: () => Promise<void>,
  { link, script }: Faults = usual(seed, nodes.tls),
  lastMs = LAST_MS,
): Promise<Trial> {
  const proxy = nodes.proxies[link];
  proxy.arm(script);
  const start = performance.now();
  const done = act().then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error: error ?? new Error('nothing was said') }),
  );
  let late: ReturnType<typeof setTimeout> | undefined;
  const never = new Promise<undefined>((resolve) => {
    late = setTimeout(() => resolve(undefined), lastMs);
  });
  const end = await Promise.race([done, never]);
  clearTimeout(late);
  const ms = performance.now() - start;
  const fired = proxy.fired.length;
  proxy.disarm();
  const verdict = end ? verdictOf(end.error, ms) : 'late';
  return { seed, link, script, fired, ms, verdict, ...(end?.error && { error: end.error }), next: await next() };

  async function next(): Promise<string> {
    try {
      // A node that lost another has it back within its longest pause between attempts
      if (!(await nodes.ready())) return 'the nodes did not find each other again';
      await act();
      return 'right';
    } catch (cause) {
      return messageOf(cause);
    }
  }
}

function verdictOf(error: unknown, ms: number): Verdict {
  if (error instanceof WrongResult) return 'wrong';
  if (error !== undefined && !(error instanceof NodeError)) return 'untyped';
  if (ms > PATIENCE_MS + LATE_MS) return 'late';
  return error === undefined ? 'right' : 'refused';
}
