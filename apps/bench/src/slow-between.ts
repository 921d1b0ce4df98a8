/** Stands between a node and others, in both of its threads: the emulated network, as long as it is on. */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { Between } from '@secformer/party-node/node';
import { loopback, networks } from './network.js';
import { arrivingLate, slowed } from './slow-link.js';

/** What both threads of a node see of the network. */
const KEY = 'secformer emulated network';

interface Shared {
  name: string;
  flag: Int32Array;
}

/** Which network it is, and whether it is on. */
export class NetworkState {
  readonly #shared: Shared;

  private constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Of a node's first thread, before there are others. It is off. */
  static for(name: string): NetworkState {
    const shared: Shared = { name, flag: new Int32Array(new SharedArrayBuffer(4)) };
    setEnvironmentData(KEY, shared as never);
    return new NetworkState(shared);
  }

  /** What `for` has made in a thread that began this one, or in this one. */
  static get(): NetworkState {
    const shared = getEnvironmentData(KEY) as unknown as Shared | undefined;
    if (!shared) throw new Error('no emulated network: slow-node.js says which');
    return new NetworkState(shared);
  }

  set on(on: boolean) {
    Atomics.store(this.#shared.flag, 0, Number(on));
  }

  get now() {
    return Atomics.load(this.#shared.flag, 0) === 1 ? networks[this.#shared.name]! : loopback;
  }
}

/** The address of this module. */
export const between = import.meta.url;

export const accepted: Between['accepted'] = (link) => {
  const state = NetworkState.get();
  return slowed(link, () => state.now);
};

export const data: Between['data'] = (link) => {
  const state = NetworkState.get();
  return arrivingLate(link, () => state.now);
};
