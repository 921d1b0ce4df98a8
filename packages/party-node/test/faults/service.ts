/** A service with a proxy on each of its links, and what a publisher and a client do in a trial. */
import type { Credentials } from '../../src/client/credentials.js';
import { Asking, Session } from '../../src/index.js';
import { dialSocket, type LocalService, startLocalService } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import { DIALS, NODES, type NodeRole } from '../../src/wire/tokens.js';
import { secretFiles, targetOf, until } from '../attacks/kit.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';
import { certify, isLinked, LINKS, type LinkName, type Proxied } from './nodes.js';
import { FaultProxy } from './proxy.js';
import { CARRIED, CHANGED, type Step } from './script.js';
import { faultsOf, type Trial, trial, WrongResult } from './trial.js';

/** How far an answer may be off. */
const BAR = 2 ** -12;

export interface ProxiedService extends Proxied {
  service: LocalService;
  asker: Credentials;
  /** as who publishes */
  publisher: Credentials & { key: LocalService['publisher']['secret'] };
}

/**
 * Starts nodes that know one another by keys.
 * @param tls whether they show certificates that sign themselves, which takes the command openssl
 */
export async function startProxiedService(tls: boolean): Promise<ProxiedService> {
  let urls: Readonly<Record<NodeRole, string>> | undefined;
  const proxies = {} as Record<LinkName, FaultProxy>;
  for (const link of LINKS)
    proxies[link] = await FaultProxy.listen(() => ({ ...targetOf(urls![link.split('–')[1] as NodeRole]), tls }));
  const { path, remove } = secretFiles({ key: '', cert: '' });
  if (tls) certify(path.key, path.cert);
  const stop = () => {
    for (const proxy of Object.values(proxies)) void proxy.close();
    remove();
  };
  try {
    const service = await startLocalService({
      flags: () => (tls ? ['--tls-cert', path.cert, '--tls-key', path.key] : []),
      limits: { models: 1_000, bytes: 2 ** 36, runs: 1_000 },
      urlsOf: (role, found) => {
        urls = found;
        return Object.fromEntries(DIALS[role].map((to) => [to, proxies[`${role}–${to}` as LinkName].url]));
      },
    });
    const nodes = service.network.keys;
    const { key, grant } = await service.grant({ model: 'small' });
    const all: ProxiedService = {
      service,
      asker: { key, grant, nodes },
      publisher: { key: service.publisher.secret, nodes },
      proxies,
      tls,
      ready: (ms = 20_000) => until(() => NODES.every((role) => isLinked(service.log(role))), ms),
      stop: () => {
        service.stop();
        stop();
      },
    };
    await all.ready();
    await publish(all, BASE);
    return all;
  } catch (error) {
    stop();
    throw error;
  }
}

const BASE = 'base';

const dial =
  ({ proxies }: ProxiedService) =>
  (role: NodeRole) =>
    dialSocket(proxies[`client–${role}`].url, nodeName[role], { pinned: true });

async function publish(s: ProxiedService, version: string, then?: (session: Session) => Promise<void>): Promise<void> {
  const session = await Session.connect(dial(s), s.publisher);
  try {
    await session.write(1, table, [ROWS, WIDTH]);
    await session.write(2, weights, [WIDTH, 3]);
    await session.publish({ ...requestOf(version), key: s.publisher.key });
    await then?.(session);
  } finally {
    session.close();
  }
}

async function ask(s: ProxiedService, version: string): Promise<void> {
  const asking = await Asking.connect(dial(s), s.asker);
  try {
    const manifest = await asking.manifest('small', version);
    const labels = new TextDecoder().decode(await asking.asset(manifest, 'labels.json'));
    if (labels !== '["no","yes","maybe"]') throw new WrongResult(`another file: ${labels}`);
    for (const count of [4, 9]) {
      const off = await askSmall(asking, count, version);
      if (!(off < BAR)) throw new WrongResult(`a wrong answer, ${off} off`);
    }
  } finally {
    asking.close();
  }
}

/** A step in the time of an ask, which is a part of an owner's session. */
function sooner({ after, ...step }: Step): Step {
  const [name, value] = Object.entries(after)[0]!;
  return { ...step, after: { [name]: Math.floor(value / 3) } as unknown as Step['after'] };
}

/** Trials of many seeds, of which every other publishes. @param tell is told of each when it is over */
export async function serviceTrials(
  s: ProxiedService,
  seeds: readonly number[],
  tell: (t: Trial) => void = () => {},
): Promise<Trial[]> {
  let versions = 0;
  // A version of its own each time: what became of an earlier one is not known
  const publishing = (seed: number) => () => {
    const version = `v${seed}.${versions++}`;
    return publish(s, version, (session) => session.unpublish('small', version));
  };
  const all: Trial[] = [];
  for (const seed of seeds) {
    const { link, script } = faultsOf(seed, s.tls ? [...CARRIED, ...CHANGED] : CARRIED, false);
    const act = seed % 2 === 0 ? publishing(seed) : () => ask(s, BASE);
    const t = await trial(s, seed, act, { link, script: script.map(sooner) });
    all.push(t);
    tell(t);
  }
  return all;
}
