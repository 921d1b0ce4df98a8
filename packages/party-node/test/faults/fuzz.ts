/**
 * A fuzzer of clients and nodes that have proved themselves: they say what an honest session made them say, with
 * changes drawn from a seed, to real nodes, and strangers throw garbage meanwhile.
 */
import { randomBytes } from 'node:crypto';
import { type HandshakeOptions, handshake, nodeName } from '../../src/wire/handshake.js';
import type { Link } from '../../src/wire/link.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { kinds } from '../attacks/garbage.js';
import { type Census, censusOf, harm, honest, linesOf, targetOf, until } from '../attacks/kit.js';
import { type Conversation, isClient, recordConversation, type Speaker } from './conversation.js';
import { FuzzedService } from './fuzzed-service.js';
import { planOf, type SessionPlan, speakerOf } from './plan.js';
import { PosedDealer } from './posed-dealer.js';
import { type Heard, Saying } from './say.js';

export interface FuzzOptions {
  seed: number;
  /** changed frames to send, at least, unless it takes longer than so many seconds */
  frames: number;
  seconds?: number;
  /** an honest run after each so many of them, between two sessions */
  every: number;
  /** number of the first session: to make one again that found something */
  from?: number;
  tell?: (report: FuzzReport) => void;
}

export interface FuzzReport extends Heard {
  sessions: number;
  garbage: number;
  /** connections that were not let in, by code */
  refused: Record<string, number>;
  honest: number;
  /** models that were published by it and served */
  published: number;
  ms: number;
  /** most that each node had in memory at an honest run, in MiB */
  residentMiB: Record<NodeRole, number>;
}

/** Sessions of a client at the same time. */
const AT_ONCE = 24;
/** How long an answer is waited for: of what is published every step takes all three nodes. */
const ANSWER_MS: Record<Speaker, number> = {
  client: 60,
  asker: 300,
  publisher: 500,
  party0: 60,
  party1: 60,
  dealer: 60,
};
/** A stranger's connection, in so many sessions, and how long it is left open by this side. */
const GARBAGE_IN = 4;
const GARBAGE_MS = 300;

/** Something a node did that it should not. The message says how to do it again. */
export class Found extends Error {}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const conversation = await recordConversation();
  const nodes = await FuzzedService.start(conversation);
  try {
    return await new Fuzzer(nodes, conversation, options).run();
  } finally {
    nodes.stop();
  }
}

class Fuzzer {
  readonly #nodes: FuzzedService;
  readonly #conversation: Conversation;
  readonly #o: FuzzOptions;
  readonly #report: FuzzReport = {
    changed: 0,
    plain: 0,
    unheard: 0,
    sessions: 0,
    garbage: 0,
    answers: {},
    carriedOut: {},
    ended: {},
    refused: {},
    honest: 0,
    published: 0,
    ms: 0,
    residentMiB: { party0: 0, party1: 0, dealer: 0 },
  };
  /** as whose process a node is posed as */
  readonly #process = randomBytes(16).toString('hex');
  #before = {} as Record<NodeRole, Census>;
  #number: number;
  /** while the fuzzer is the dealer */
  #dealer: PosedDealer | undefined;
  /** since the last honest run */
  #since = { number: 0, changed: 0 };

  constructor(nodes: FuzzedService, conversation: Conversation, options: FuzzOptions) {
    this.#nodes = nodes;
    this.#conversation = conversation;
    this.#o = options;
    this.#number = options.from ?? 0;
  }

  async run(): Promise<FuzzReport> {
    const report = this.#report;
    for (let i = 0; i < 3; i++) await honest(this.#nodes).then(() => this.#nodes.ask());
    for (const role of NODES) this.#before[role] = censusOf(this.#nodes.processes[role]);
    const start = performance.now();
    const { frames, seconds = Number.POSITIVE_INFINITY } = this.#o;
    while (report.changed < frames && report.ms < 1000 * seconds) {
      const as = speakerOf(this.#number);
      this.#since = { number: this.#number, changed: report.changed };
      if (isClient(as)) await this.#sessions(as);
      else await this.#inPlaceOf(as);
      await this.#look();
      report.ms = performance.now() - start;
      this.#o.tell?.(report);
    }
    return report;
  }

  /** Sessions as a node, which is not there meanwhile. */
  async #inPlaceOf(role: NodeRole): Promise<void> {
    await this.#kill(role);
    if (role === 'dealer')
      this.#dealer = await PosedDealer.listen(this.#nodes.urls.dealer, this.#nodes.provingAs(role), this.#process);
    await this.#sessions(role);
    await this.#dealer?.stop();
    this.#dealer = undefined;
    await this.#nodes.restart(role);
    // With its links to the others, and the models that it has found again
    await this.#nodes.ask();
    this.#before[role] = censusOf(this.#nodes.processes[role]);
  }

  /** Sessions as one speaker, until an honest run is due. */
  async #sessions(as: SessionPlan['as']): Promise<void> {
    const due = () =>
      speakerOf(this.#number) !== as ||
      this.#report.changed - this.#since.changed >= this.#o.every ||
      this.#report.changed >= this.#o.frames;
    const one = async () => {
      while (!due()) await this.#session(planOf(this.#conversation, this.#o.seed, this.#number++, this.#nodes));
    };
    // A node has one link to another
    await Promise.all(Array.from({ length: isClient(as) ? AT_ONCE : 1 }, one));
  }

  async #session({ as, lines, random }: SessionPlan): Promise<void> {
    this.#report.sessions++;
    const there = NODES.filter((role) => role !== as);
    if (random(GARBAGE_IN) === 0) this.#throwGarbage(there[random(there.length)]!, random);
    const speeches = Object.entries(lines).flatMap(([speaker, said]) =>
      Object.entries(said).map(([role, list]) => ({ speaker: speaker as Speaker, role: role as NodeRole, list })),
    );
    const links = await Promise.all(speeches.map(({ speaker, role }) => this.#link(speaker, role)));
    const aborted = new Set<unknown>();
    const say = async (i: number) => {
      const { speaker, list } = speeches[i]!;
      const link = links[i];
      if (!link) return;
      const saying = new Saying(link, this.#report, aborted, ANSWER_MS[as]);
      await saying.all(list, isClient(speaker));
      if (speaker === 'dealer') this.#dealer!.give(link, saying.ended);
      else link.close('done');
    };
    await Promise.all(speeches.map((_, i) => say(i)));
  }

  async #link(speaker: Speaker, role: NodeRole): Promise<Link | undefined> {
    try {
      if (speaker === 'dealer') return await this.#dealer!.link(role);
      const link = await this.#nodes.dial(role);
      const process = isClient(speaker) ? randomBytes(16).toString('hex') : this.#process;
      const by: HandshakeOptions = { ...this.#nodes.provingAs(speaker), process, side: 'dial', expect: role };
      await handshake(link, by);
      return link;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      this.#report.refused[code ?? message] = (this.#report.refused[code ?? message] ?? 0) + 1;
      return undefined;
    }
  }

  #throwGarbage(role: NodeRole, random: (n: number) => number): void {
    const names = Object.keys(kinds);
    const kind = kinds[names[random(names.length)]!]!;
    this.#report.garbage++;
    kind(targetOf(this.#nodes.urls[role]), random)
      .then((socket) => setTimeout(() => socket?.destroy(), GARBAGE_MS))
      .catch(() => {});
  }

  async #kill(role: NodeRole): Promise<void> {
    const others = NODES.filter((other) => other !== role);
    const left = (at: NodeRole) => linesOf(this.#nodes.log(at), 'left').filter((l) => l.node === nodeName[role]).length;
    const before = others.map(left);
    this.#nodes.processes[role].kill('SIGKILL');
    if (!(await until(() => others.every((at, i) => left(at) > before[i]!), 5_000)))
      throw this.#found(`the end of ${role} was not noticed`);
  }

  /** The nodes live, hold about what they held, and compute what is right. */
  async #look(): Promise<void> {
    try {
      await honest(this.#nodes);
      await this.#nodes.ask();
      this.#report.published += await this.#nodes.unpublished();
    } catch (cause) {
      throw this.#found(`an honest run failed (${(cause as Error).message})`, cause);
    }
    this.#report.honest++;
    const now = () =>
      Object.fromEntries(NODES.map((role) => [role, censusOf(this.#nodes.processes[role])])) as Record<
        NodeRole,
        Census
      >;
    // Connections that were closed are over a moment later
    if (!(await until(() => harm(this.#before, now()).length === 0, 60_000)))
      throw this.#found(harm(this.#before, now()).join(', '));
    for (const role of NODES) {
      const failed = linesOf(this.#nodes.log(role), 'failed')[0];
      if (failed) throw this.#found(`${role} logged ${JSON.stringify(failed)}`);
      const mib = now()[role].resident >> 20;
      this.#report.residentMiB[role] = Math.max(this.#report.residentMiB[role], mib);
    }
  }

  #found(what: string, cause?: unknown): Found {
    const { number } = this.#since;
    return new Found(`${what}; again with --seed ${this.#o.seed} --from ${number} (to session ${this.#number})`, {
      cause,
    });
  }
}
