/** Which node ends at which step of what: made from a seed, so that it can be made again. */
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { randomFrom } from '../attacks/kit.js';
import type { DeathAt } from './death.js';

export type Act = 'publish' | 'ask';

export interface CrashPlan {
  seed: number;
  act: Act;
  victim: NodeRole;
  /** a step of the victim's own, or so long after the client has come to a phase */
  when: DeathAt | { phase: string; ms: number };
  /** nodes that end at the same time */
  others: NodeRole[];
  /** whom else ends, once, so long after the nodes were started again */
  again: { role: NodeRole; ms: number } | undefined;
}

/** Phases that the client tells of, and what it begins with. */
const PHASES: Record<Act, readonly string[]> = {
  publish: ['connecting', 'writing', 'opening', 'sending', 'staging', 'committing', 'done'],
  ask: ['connecting', 'asking', 'sharing', 'running', 'done'],
};

/** Steps of a node, and how many of them there are about. */
const STEPS: Record<Act, readonly [string, number][]> = {
  publish: [
    ['fs', 70],
    ['fs', 70],
    ['fs', 70],
    ['fs rename', 2],
    ['fs syncFolder', 4],
    ['send', 30],
    ['send done', 10],
    ['send have', 2],
    ['stage', 1],
    ['commit', 1],
    ['heard', 3],
    ['claim', 10],
  ],
  ask: [
    ['prepare', 1],
    ['send', 20],
    ['send agree', 2],
    ['send prepared', 1],
    ['send turn', 2],
    ['send ready', 1],
    ['send material', 2],
    ['send confirm', 1],
    ['send round', 4],
    ['send result', 1],
    ['send dealt', 1],
    ['claim', 20],
  ],
};

const PARTIES_ALONE = ['send ready', 'send confirm', 'send round', 'send result'];
const DEALER_ALONE = ['send turn', 'send material', 'send dealt'];
/** Longest time after a phase. */
const JITTER_MS = 40;
const AGAIN_MS = 600;

export function crashPlan(seed: number): CrashPlan {
  const random = randomFrom(Math.imul(seed + 1, 0x9e3779b1));
  const one = <T>(list: readonly T[]) => list[random(list.length)]!;
  const act = random(5) < 3 ? 'publish' : 'ask';
  const [step, count] = one(STEPS[act]);
  const can = PARTIES_ALONE.includes(step) ? NODES.slice(0, 2) : DEALER_ALONE.includes(step) ? NODES.slice(2) : NODES;
  const phased = random(3) === 0;
  const victim = one(phased ? NODES : can);
  const when = phased
    ? { phase: one(PHASES[act]), ms: random(JITTER_MS) }
    : { step, count: random(count), after: random(2) === 0 };
  // One, two or all three
  const rest = NODES.filter((role) => role !== victim);
  const others = [[], [], [], [], [one(rest)], [one(rest)], rest][random(7)]!;
  const again = random(5) === 0 ? { role: one(NODES), ms: random(AGAIN_MS) } : undefined;
  return { seed, act, victim, when, others, again };
}

/** A plan in a line, for a failure's message. */
export function showPlan({ seed, act, victim, when, others, again }: CrashPlan): string {
  const moment =
    'phase' in when
      ? `${when.ms} ms after '${when.phase}'`
      : `${when.after ? 'after' : 'before'} step ${when.count} '${when.step}'`;
  const more = others.length > 0 ? ` with ${others.join(' and ')}` : '';
  return `seed ${seed}, ${act}: ${victim}${more} ${moment}${again ? `, then ${again.role} after ${again.ms} ms` : ''}`;
}
