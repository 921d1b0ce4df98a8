/** The nodes that the fuzzer speaks to: known by keys, with a model of somebody else's, and a publisher that it is. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Credentials, provingBy } from '../../src/client/credentials.js';
import { allow } from '../../src/identity/access-file.js';
import { readKeyFile } from '../../src/identity/key-files.js';
import { Asking, freshKeyPair, type KeyPair, NodeError, Session, tokenFrom } from '../../src/index.js';
import { dialSocket, type LocalService, startLocalService } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import type { Link } from '../../src/wire/link.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, secretFiles, sleep, until } from '../attacks/kit.js';
import { askSmall } from '../publishing.js';
import type { Conversation, Speaker } from './conversation.js';
import { isLinked } from './nodes.js';
import type { Service } from './plan.js';
import type { ProvingBy } from './posed-dealer.js';
import { publishVersion, recordClients, type Served } from './service-speech.js';

/** How far an answer may be off. */
const BAR = 2 ** -12;
/** The version that is asked. */
const BASE = 'base';
/** How long the nodes may take to serve again after one of them has come back. */
const SERVED_MS = 20_000;
const PASSING = ['BUSY', 'UNREACHABLE', 'LINK_CLOSED', 'GAVE_WAY', 'TOO_MANY_CONNECTIONS', 'MODEL_UNKNOWN'];
/** Subjects that the fuzzer asks as: one has few runs and connections. */
const SUBJECTS = 12;

type Keyed = Exclude<Credentials, { token: unknown }>;

interface Parts {
  service: LocalService;
  token: string;
  remove: () => void;
}

export class FuzzedService implements Service {
  readonly token: string;
  /** a publisher that the fuzzer is */
  readonly #publisher = freshKeyPair();
  readonly #service: LocalService;
  readonly #remove: () => void;
  #honest!: Keyed;
  #askers!: Keyed[];
  #next = 0;
  served!: Served;

  private constructor({ service, token, remove }: Parts) {
    this.#service = service;
    this.token = token;
    this.#remove = remove;
  }

  /** @param conversation gets what an asker and a publisher say */
  static async start(conversation: Conversation): Promise<FuzzedService> {
    const token = randomBytes(32).toString('base64');
    const { path, remove } = secretFiles({ token });
    const service = await startLocalService({
      flags: () => ['--client-token-file', path.token, '--pool-bytes', '32M'],
    });
    const all = new FuzzedService({ service, token, remove });
    try {
      await all.#prepare(conversation);
      return all;
    } catch (error) {
      all.stop();
      throw error;
    }
  }

  async #prepare(conversation: Conversation): Promise<void> {
    const { network, publisher, accessFile } = this.#service;
    const { keys: nodes } = network;
    if (!(await this.#ready())) throw new Error('the nodes did not find each other');
    await publishVersion(this.dial, { key: publisher.secret, nodes }, BASE);
    const granted = async (subject: string): Promise<Keyed> => {
      const { key, grant } = await this.#service.grant({ model: 'small', subject });
      return { key, grant, nodes };
    };
    this.#honest = await granted('honest');
    this.#askers = await Promise.all(Array.from({ length: SUBJECTS }, (_, i) => granted(`fuzzer${i}`)));
    allow(accessFile, {
      name: 'fuzzer',
      key: this.#publisher.public,
      limits: { models: 500, bytes: 2 ** 30, runs: 100 },
    });
    for (const role of NODES) this.processes[role].kill('SIGHUP');
    const read = (role: NodeRole) => linesOf(this.log(role), 'reloaded').length > 0;
    if (!(await until(() => NODES.every(read)))) throw new Error('the nodes did not read who publishes');
    const asking = await Asking.connect(this.dial, this.#honest);
    const [listed] = await asking.models();
    const { programs } = await asking.manifest('small');
    asking.close();
    this.served = { listed: listed!, programs: programs.map((p) => p.hash) };
    await recordClients(conversation, { asker: this.dial, publisher: this.dial }, this.#askers[0]!, {
      key: this.key,
      nodes,
    });
  }

  /** with which the fuzzer publishes */
  get key(): KeyPair['secret'] {
    return this.#publisher.secret;
  }

  get urls(): Readonly<Record<NodeRole, string>> {
    return this.#service.network.urls;
  }

  get processes(): LocalService['processes'] {
    return this.#service.processes;
  }

  log(role: NodeRole): string[] {
    return this.#service.log(role);
  }

  restart(role: NodeRole): Promise<void> {
    return this.#service.restart(role);
  }

  stop(): void {
    this.#service.stop();
    this.#remove();
  }

  readonly dial = (role: NodeRole): Promise<Link> => dialSocket(this.urls[role], nodeName[role], { pinned: true });

  /** What the fuzzer proves itself by as somebody. */
  provingAs(speaker: Speaker): ProvingBy {
    const { keys: nodes, pins } = this.#service.network;
    if (speaker === 'client') return { mine: 'client', tokens: { client: tokenFrom(this.token) } };
    if (speaker === 'publisher') return { mine: 'client', ...provingBy({ key: this.key, nodes }) };
    if (speaker === 'asker') return { mine: 'client', ...provingBy(this.#askers[this.#next++ % this.#askers.length]!) };
    return { mine: speaker, tokens: {}, key: readKeyFile(join(this.#service.folder, speaker, 'key')), pins };
  }

  /** An honest client asks the model, which may have to be found again first. @throws Error where it is wrong */
  async ask(): Promise<void> {
    for (const end = performance.now() + SERVED_MS; ; await sleep(100)) {
      const asking = await Asking.connect(this.dial, this.#honest);
      try {
        const off = await askSmall(asking, 4, BASE);
        if (off < BAR) return;
        throw new Error(`a wrong answer, ${off} off`);
      } catch (error) {
        const passing = error instanceof NodeError && PASSING.includes(error.code);
        if (!passing || performance.now() > end) throw error;
      } finally {
        asking.close();
      }
    }
  }

  /** Ends what the fuzzer has published. @returns how many models were served */
  async unpublished(): Promise<number> {
    const who = { key: this.key, nodes: this.#service.network.keys };
    const asking = await Asking.connect(this.dial, who);
    const models = await asking.models();
    asking.close();
    const session = await Session.connect(this.dial, who);
    for (const { name, version } of models) await session.unpublish(name, version);
    session.close();
    return models.length;
  }

  #ready(): Promise<boolean> {
    return until(() => NODES.every((role) => isLinked(this.log(role))));
  }
}
