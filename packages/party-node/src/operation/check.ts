/** Looks at a network from one of its nodes, and says in words what is wrong with it. */
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Link } from '../wire/link.js';

/** One thing that was looked at. */
export interface Finding {
  /** whom it is about */
  node: NodeName;
  well: boolean;
  says: string;
}

/** What a node answers to anybody, before it is asked to prove anything. */
export interface Glance {
  /** its clock, in milliseconds since 1970 */
  time?: number;
  /** when its certificate ends */
  certificateUntil?: number;
}

/** Another node, and how to reach it. Each of these rejects with what is wrong, in words. */
export interface OtherNode {
  node: NodeName;
  url: string;
  open: () => Promise<Link>;
  /** shows who this node is, and has the other one show who it is; absent where the other one dials this one */
  prove?: (link: Link) => Promise<unknown>;
  glance: () => Promise<Glance>;
}

export interface CheckOptions {
  /** the node that looks */
  mine: NodeName;
  others: readonly OtherNode[];
  /** nodes that dial this one */
  callers?: readonly NodeName[];
  /** admin ports that can be reached from here, by node: base URLs */
  admins?: Partial<Record<NodeName, string>>;
  /** of the package that looks */
  release: string;
  now?: () => number;
}

const DAY = 86_400_000;

/** @returns what was found, in the order in which it was looked at; it rejects for nothing that a network can do */
export async function check(o: CheckOptions): Promise<Finding[]> {
  const others = await Promise.all(o.others.map((other) => lookAt(other, o)));
  const admins = await Promise.all(
    Object.entries(o.admins ?? {}).map(([node, url]) => askAdmin(node as NodeName, url, o)),
  );
  const callers = (o.callers ?? []).map((node) => ({
    node,
    well: true,
    says: `dials ${o.mine} and is not dialled by it: look from there`,
  }));
  return [...others, callers, ...admins].flat();
}

async function lookAt({ node, url, open, prove, glance }: OtherNode, o: CheckOptions): Promise<Finding[]> {
  const found: Finding[] = [];
  const say = (well: boolean, says: string) => found.push({ node, well, says });
  let link: Link;
  try {
    link = await open();
  } catch (error) {
    say(false, said(error));
    return found;
  }
  if (prove) {
    try {
      await prove(link);
      say(true, `is at ${url}, and each of the two has shown the other who it is; ${o.mine} is not connected there`);
    } catch (error) {
      // Only who has shown that it is this node is told so
      const connected = error instanceof NodeError && error.code === 'ALREADY_CONNECTED';
      say(connected, connected ? `is at ${url}, knows ${o.mine}, and is connected to it` : said(error));
    }
  } else {
    say(true, `is at ${url}; it dials ${o.mine} and not the other way, so what it can prove shows there`);
  }
  link.close('checked');
  try {
    const asked = (o.now ?? Date.now)();
    const { time, certificateUntil } = await glance();
    const answered = (o.now ?? Date.now)();
    if (time !== undefined) found.push(clock(node, time, (asked + answered) / 2));
    if (certificateUntil !== undefined && certificateUntil - answered < limits.certificateDays * DAY)
      say(
        false,
        `its certificate ends in ${Math.max(0, Math.floor((certificateUntil - answered) / DAY))} days; renew it`,
      );
  } catch (error) {
    say(false, said(error));
  }
  return found;
}

/** A node says its time to the second. */
function clock(node: NodeName, theirs: number, mine: number): Finding {
  const seconds = Math.round((theirs + 500 - mine) / 1000);
  const well = Math.abs(seconds) * 1000 <= limits.clockMs;
  const way = seconds > 0 ? 'ahead of' : 'behind';
  return {
    node,
    well,
    says: well
      ? 'its clock agrees with this one'
      : `its clock is ${Math.abs(seconds)} s ${way} this one: one of the two is wrong, and grants begin and end by it`,
  };
}

async function askAdmin(node: NodeName, url: string, { release }: CheckOptions): Promise<Finding[]> {
  const say = (well: boolean, says: string): Finding[] => [{ node, well, says }];
  try {
    const health = await read(`${url}/healthz`);
    if (health.well !== true) return say(false, `is not well: ${short(health.why)}`);
    if (health.node !== node) return say(false, `at ${url} is the admin port of ${short(health.node)}`);
    const same = health.release === release;
    const version = same
      ? `runs release ${release}`
      : `runs release ${short(health.release)}, and this is ${release}: run the same everywhere, and start it again`;
    const ready = await read(`${url}/readyz`);
    const missing = Array.isArray(ready.missing) ? ready.missing.map(short).join('; ') : 'it does not say why';
    return [
      ...say(same, version),
      ...say(ready.ready === true, ready.ready === true ? 'is ready' : `is not ready: ${missing}`),
    ];
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return say(false, `its admin port ${url} does not answer (${cause?.message || (error as Error).message})`);
  }
}

async function read(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(limits.adminMs), redirect: 'error' });
  const value: unknown = await response.json();
  if (typeof value !== 'object' || value === null) throw new Error('it is no admin port of a node');
  return value as Record<string, unknown>;
}

/** Text that another process sent, as it may be printed. */
function short(text: unknown): string {
  return String(text)
    .replace(/[^ -~]/g, '?')
    .slice(0, 200);
}

/** An error without its node, which a finding has. */
function said(error: unknown): string {
  const { message } = error as Error;
  const node = error instanceof NodeError ? `${error.node}: ` : '';
  return message.startsWith(node) ? message.slice(node.length) : message;
}
