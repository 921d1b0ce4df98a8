/**
 * Nodes of a service that end without warning while somebody publishes or asks, and are started again:
 * `npm run crashes -- --seeds 200 --from 0`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Credentials } from '../../src/client/credentials.js';
import { NodeLinks } from '../../src/client/node-links.js';
import { Asking, limits, NodeError, Session } from '../../src/index.js';
import { dialSocket, type LocalService, startLocalService } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import { listed, type Message, readJson } from '../../src/wire/messages.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, sleep, until } from '../attacks/kit.js';
import { isLinked } from '../faults/nodes.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';
import { type CrashPlan, crashPlan, showPlan } from './crash-plan.js';

/** How far an answer may be off. */
const BAR = 2 ** -12;
/** How long what is under way may take to end, and what a busy machine adds. */
const PATIENCE_MS = 15_000 + 2_500;
/** How long the nodes may take to be of one mind again, once all are there. */
const SETTLE_MS = 15_000;
/** The version that is published before anything happens. */
const BASE = 'base';

export interface CrashTrial {
  plan: CrashPlan;
  /** how what was under way ended: 'right', or an error's code */
  outcome: string;
  ms: number;
  /** whether the version that was being published is there afterwards */
  served: boolean | undefined;
  /** what is not as it should be */
  wrong: string[];
}

export function showTrial({ plan, outcome, ms, served, wrong }: CrashTrial): string {
  const there = served === undefined ? '' : served ? ', then served' : ', then not served';
  const what = wrong.length > 0 ? `; WRONG: ${wrong.join('; ')}` : '';
  return `${showPlan(plan)}: ${outcome} after ${Math.round(ms)} ms${there}${what}`;
}

const codeOf = (error: unknown) => (error instanceof NodeError ? error.code : String((error as Error)?.stack ?? error));

/** Codes of what may be tried again: the nodes have not all met yet. */
const PASSING = ['BUSY', 'UNREACHABLE', 'LINK_CLOSED', 'GAVE_WAY', 'TOO_MANY_CONNECTIONS'];

export class Crashes {
  readonly #service: LocalService;
  /** folder of a file a node: what it has begun */
  readonly records: string;
  readonly #asker: Credentials;

  private constructor(service: LocalService, records: string, asker: Credentials) {
    this.#service = service;
    this.records = records;
    this.#asker = asker;
  }

  /** Starts nodes with hooks, and publishes a first version. */
  static async start(): Promise<Crashes> {
    const records = mkdtempSync(join(tmpdir(), 'records-'));
    const script = [fileURLToPath(new URL('./hooked-node.js', import.meta.url)), records];
    const service = await startLocalService({ script });
    const { key, grant } = await service.grant({ model: 'small' });
    const crashes = new Crashes(service, records, { key, grant, nodes: service.network.keys });
    await crashes.#ready();
    await crashes.#publish(BASE, () => {});
    return crashes;
  }

  stop(): void {
    this.#service.stop();
    rmSync(this.records, { recursive: true, force: true });
  }

  /** Carries a plan out and looks at what the nodes make of it. */
  async trial(seed: number): Promise<CrashTrial> {
    const plan = crashPlan(seed);
    const version = `v${seed}`;
    const wrong: string[] = [];
    const dead = this.#whenDead(plan);
    const phases = await this.#arm(plan);
    const start = performance.now();
    const act = plan.act === 'publish' ? this.#publish(version, phases) : this.#ask(BASE, phases);
    const outcome = await Promise.race([act.then(() => 'right', codeOf), sleep(PATIENCE_MS).then(() => 'late')]);
    const ms = performance.now() - start;
    if (outcome.includes(' ') || outcome === 'late') wrong.push(`ended ${outcome}`);
    // What never came to its step ends now
    for (const role of [plan.victim, ...plan.others]) await this.#service.kill(role);
    await dead;
    await this.#startAgain(plan);
    let served: boolean | undefined;
    try {
      const versions = await this.#settled();
      if (!versions.includes(BASE)) wrong.push('the first version is gone');
      else await this.#askWhenReady(BASE);
      if (plan.act === 'publish') {
        served = versions.includes(version);
        wrong.push(...(await this.#stored(version, served)));
        if (outcome === 'right' && !served) wrong.push('what was published is gone');
        if (served) await this.#askWhenReady(version);
        else await this.#publishAnew(version);
        await this.#unpublish(version);
      }
    } catch (error) {
      wrong.push(`then ${error instanceof NodeError ? error.message : (error as Error).stack}`);
    }
    for (const role of NODES) {
      const failed = linesOf(this.#service.log(role), 'failed').at(-1);
      if (failed) wrong.push(`${role} logged ${JSON.stringify(failed)}`);
    }
    wrong.push(...this.repeats());
    return { plan, outcome, ms, served, wrong };
  }

  /** Runs and streams that a node began twice, in any of its lives. */
  repeats(): string[] {
    return NODES.flatMap((role) => {
      const seen = new Set<string>();
      const lines = readFileSync(join(this.records, role), 'utf8').split('\n');
      return lines.flatMap((line) => {
        if (!line || line.startsWith('died')) return [];
        if (seen.has(line)) return [`${role} began twice: ${line}`];
        seen.add(line);
        return [];
      });
    });
  }

  /** How many runs and streams the nodes have begun, and how often one ended at a step. */
  counts(): Record<'run' | 'stream' | 'died', number> {
    const count = { run: 0, stream: 0, died: 0 };
    for (const role of NODES)
      for (const line of readFileSync(join(this.records, role), 'utf8').split('\n'))
        if (line) count[line.split(' ')[0] as keyof typeof count]++;
    return count;
  }

  /** Resolves when the victim is dead, and the others with it. */
  #whenDead({ victim, others }: CrashPlan): Promise<void> {
    return new Promise((resolve) => {
      this.#service.processes[victim].once('exit', () => {
        void Promise.all(others.map((role) => this.#service.kill(role))).then(() => resolve());
      });
    });
  }

  /** @returns what is to be told of phases */
  async #arm({ victim, when }: CrashPlan): Promise<(phase: string) => void> {
    const child = this.#service.processes[victim];
    if ('phase' in when) {
      let once = true;
      return (phase) => {
        if (phase === when.phase && once) setTimeout(() => child.kill('SIGKILL'), when.ms);
        if (phase === when.phase) once = false;
      };
    }
    const armed = new Promise((resolve) => child.once('message', resolve));
    child.send(when);
    await armed;
    return () => {};
  }

  async #startAgain({ victim, others, again }: CrashPlan): Promise<void> {
    await Promise.all([victim, ...others].map((role) => this.#service.restart(role)));
    if (!again) return;
    await sleep(again.ms);
    await this.#service.kill(again.role);
    await this.#service.restart(again.role);
  }

  readonly #dial = (role: NodeRole) => dialSocket(this.#service.network.urls[role], nodeName[role], { pinned: true });

  async #publish(version: string, tell: (phase: string) => void): Promise<void> {
    const { publisher, network } = this.#service;
    tell('connecting');
    const session = await Session.connect(this.#dial, { key: publisher.secret, nodes: network.keys });
    try {
      tell('writing');
      await session.write(1, table, [ROWS, WIDTH]);
      await session.write(2, weights, [WIDTH, 3]);
      const onProgress = ({ phase }: { phase: string }) => tell(phase);
      await session.publish({ ...requestOf(version), key: publisher.secret }, { onProgress });
    } finally {
      session.close();
    }
  }

  async #ask(version: string, tell: (phase: string) => void = () => {}): Promise<void> {
    tell('connecting');
    const asking = await Asking.connect(this.#dial, this.#asker);
    try {
      tell('asking');
      const off = await askSmall(asking, 4, version, ({ phase }) => tell(phase));
      if (!(off < BAR)) throw new Error(`a wrong answer, ${off} off`);
    } finally {
      asking.close();
    }
  }

  /** Asks until the nodes have met; whatever else is wrong stays. */
  #askWhenReady(version: string): Promise<void> {
    return this.#whenReady(() => this.#ask(version));
  }

  async #whenReady(act: () => Promise<void>): Promise<void> {
    for (const end = performance.now() + SETTLE_MS; ; await sleep(200)) {
      try {
        return await act();
      } catch (error) {
        if (!PASSING.includes(codeOf(error)) || performance.now() > end) throw error;
      }
    }
  }

  /** What is not served can be published again. */
  async #publishAnew(version: string): Promise<void> {
    await this.#whenReady(() => this.#publish(version, () => {}));
    await this.#askWhenReady(version);
  }

  async #unpublish(version: string): Promise<void> {
    const { publisher, network } = this.#service;
    const session = await Session.connect(this.#dial, { key: publisher.secret, nodes: network.keys });
    try {
      await session.unpublish('small', version);
    } finally {
      session.close();
    }
  }

  /** Waits until each node has met the others. */
  async #ready(): Promise<void> {
    if (!(await until(() => NODES.every((role) => isLinked(this.#service.log(role))))))
      throw new Error('the nodes did not find each other');
  }

  /** Waits until the nodes serve the same. @returns versions that they serve */
  async #settled(): Promise<string[]> {
    await this.#ready();
    let last = '';
    let same = 0;
    for (const end = performance.now() + SETTLE_MS; performance.now() < end; await sleep(50)) {
      const lists = await this.#lists().catch((error: NodeError) => {
        if (!PASSING.includes(codeOf(error))) throw error;
        return [error.message];
      });
      const alike = lists.every((list) => list === lists[0]);
      same = alike && lists[0] === last ? same + 1 : 0;
      last = lists[0]!;
      if (same >= 3) return (JSON.parse(last) as { version: string }[]).map((m) => m.version);
      if (!alike) last = '';
    }
    throw new Error('the nodes did not come to serve the same');
  }

  /** On their disks all three have a version as one that is there, or none has. @returns what is wrong */
  async #stored(version: string, served: boolean): Promise<string[]> {
    const have = () =>
      NODES.filter((role) => existsSync(join(this.#service.folder, role, 'models', 'small', version))).join(', ');
    const right = served ? NODES.join(', ') : '';
    if (await until(() => have() === right, SETTLE_MS)) return [];
    return [`${served ? 'served' : 'not served'}, and stored at ${have() || 'none'}`];
  }

  /** What each node says that it serves, with the hash of each manifest. */
  async #lists(): Promise<string[]> {
    const links = await NodeLinks.connect(this.#dial, this.#asker);
    try {
      return await Promise.all(
        NODES.map(async (role) => {
          const say = (make: (re: number) => Message) => links.answer(role, make, limits.manifestBytes + 1024);
          const bytes = await say((re) => ({ t: 'models', re }));
          const list = readJson(listed, bytes, nodeName[role], 'a list of models');
          const versions = list.map(({ version, generation, hash }) => ({ version, generation, hash }));
          return JSON.stringify(versions.sort((a, b) => (a.generation < b.generation ? -1 : 1)));
        }),
      );
    } finally {
      links.lost(new NodeError('client', 'LINK_CLOSED', 'has asked'));
    }
  }
}
