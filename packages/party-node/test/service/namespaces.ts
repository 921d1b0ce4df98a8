/**
 * Machines of their own for processes of a test: network namespaces of Linux, joined by a bridge in another one. Their
 * addresses exist nowhere else.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Ends the processes in namespaces and removes them when its standard input ends, however its parent does. */
const JANITOR = `cat >/dev/null
for name in "$@"; do
  for pid in $(ip netns pids "$name"); do kill -9 "$pid"; done
  ip netns del "$name"
done`;

export interface Namespaces {
  /** each host's address */
  address: Record<string, string>;
  /** what runs a command at a host, before the command */
  at(host: string): string[];
  /** plugs a host's cable in, or pulls it */
  cable(host: string, plugged: boolean): void;
  /** ends what runs there and removes everything */
  remove(): Promise<void>;
}

/**
 * @param hosts that share a network
 * @param alone hosts that have none
 * @returns a reason in words where this machine has no namespaces for this process
 */
export function makeNamespaces(hosts: readonly string[], alone: readonly string[]): Namespaces | string {
  if (process.platform !== 'linux') return 'network namespaces are of Linux alone';
  const name = (host: string) => `secformer-${process.pid}-${host}`;
  const all = ['bridge', ...hosts, ...alone].map(name);
  const janitor = spawn('sh', ['-c', JANITOR, 'sh', ...all], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const address = Object.fromEntries(hosts.map((host, i) => [host, `10.213.7.${i + 1}`]));
  try {
    for (const each of all) ip('netns', 'add', each);
    for (const host of [...hosts, ...alone]) ip('-n', name(host), 'link', 'set', 'lo', 'up');
    const bridge = name('bridge');
    ip('-n', bridge, 'link', 'add', 'name', 'br', 'type', 'bridge');
    ip('-n', bridge, 'link', 'set', 'dev', 'br', 'up');
    for (const host of hosts) {
      const there = name(host);
      ip('-n', bridge, 'link', 'add', 'name', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', there);
      ip('-n', bridge, 'link', 'set', 'dev', host, 'master', 'br', 'up');
      ip('-n', there, 'addr', 'add', `${address[host]}/24`, 'dev', 'eth0');
      ip('-n', there, 'link', 'set', 'eth0', 'up');
    }
  } catch (error) {
    void removed(janitor);
    return `this machine gives no network namespaces: ${(error as Error).message}`;
  }
  return {
    address,
    at: (host: string) => ['ip', 'netns', 'exec', name(host)],
    cable: (host: string, plugged: boolean) =>
      ip('-n', name('bridge'), 'link', 'set', 'dev', host, plugged ? 'up' : 'down'),
    remove: () => removed(janitor),
  };
}

async function removed(janitor: ChildProcess): Promise<void> {
  const gone = once(janitor, 'exit');
  janitor.stdin!.end();
  await gone;
}

function ip(...args: string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
