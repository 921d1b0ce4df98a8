/** Connections of clients who ask published models, one for each grant, beside the session. */
import { Asking, type Manifest, type OnProgress } from '@secformer/party-node';
import type { AskAccess, AskCall } from './messages.js';
import { reached } from './network.js';

/** The part of an asking connection that is used. */
export type AskingLink = Pick<Asking, 'manifest' | 'asset' | 'ask' | 'close' | 'dead'>;

/** @throws SecformerError BAD_CONFIGURATION; NodeError where a node cannot be reached, or refuses */
export async function connectAsking(access: AskAccess): Promise<AskingLink> {
  const { dial, credentials } = reached(access);
  return Asking.connect(dial, credentials);
}

interface Link {
  asking: Promise<AskingLink>;
  manifests: Map<string, Manifest>;
}

export class Askers {
  readonly #connect: (access: AskAccess) => Promise<AskingLink>;
  readonly #links = new Map<string, Link>();

  constructor(connect: (access: AskAccess) => Promise<AskingLink> = connectAsking) {
    this.#connect = connect;
  }

  /** Does what is asked, over a new connection where the last one is gone. */
  async perform(access: AskAccess, call: AskCall, onProgress: OnProgress): Promise<unknown> {
    const where = JSON.stringify([access.network, access.grant, access.key, access.ca]);
    if (call.what === 'close') return this.#close(where);
    const link = await this.#link(where, access, onProgress);
    const asking = await link.asking;
    if (call.what === 'manifest') {
      const manifest = await asking.manifest(call.name, call.version);
      link.manifests.set(`${manifest.name}@${manifest.version}`, manifest);
      return manifest;
    }
    const manifest = await this.#manifest(link, asking, call.model);
    if (call.what === 'asset') return asking.asset(manifest, call.name);
    return asking.ask(manifest, call.program, call.values, call.indices, { onProgress });
  }

  async #link(where: string, access: AskAccess, onProgress: OnProgress): Promise<Link> {
    const before = this.#links.get(where);
    const there = await before?.asking.catch(() => undefined);
    if (before && there && !there.dead) return before;
    // Whoever came first has opened another one
    const now = this.#links.get(where);
    if (now && now !== before) return now;
    onProgress({ phase: 'connecting' });
    const link = { asking: this.#connect(access), manifests: before?.manifests ?? new Map() };
    this.#links.set(where, link);
    return link;
  }

  async #manifest(
    { manifests }: Link,
    asking: AskingLink,
    { name, version }: Pick<Manifest, 'name' | 'version'>,
  ): Promise<Manifest> {
    return manifests.get(`${name}@${version}`) ?? asking.manifest(name, version);
  }

  #close(where: string): void {
    const link = this.#links.get(where);
    this.#links.delete(where);
    link?.asking.then(
      (asking) => asking.close(),
      () => {},
    );
  }
}
