/** Connections of clients who ask published models, one for each grant, beside the session. */
import { Asking, type Manifest, type OnProgress, throwIfAborted } from '@secformer/party-node';
import type { Hearing } from './connection.js';
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
  /** calls that are not over */
  pending: number;
  /** whether it ends with the last of them */
  retired: boolean;
}

export class Askers {
  readonly #connect: (access: AskAccess) => Promise<AskingLink>;
  readonly #links = new Map<string, Link>();

  constructor(connect: (access: AskAccess) => Promise<AskingLink> = connectAsking) {
    this.#connect = connect;
  }

  /** Does what is asked, over a new connection where the last one is gone. */
  async perform(access: AskAccess, call: AskCall, hearing: Hearing): Promise<unknown> {
    const where = JSON.stringify([access.network, access.grant, access.key, access.ca]);
    if (call.what === 'close') return this.#close(where);
    const link = await this.#link(where, access, hearing.onProgress);
    try {
      return await this.#over(link, call, hearing);
    } finally {
      link.pending--;
      this.#endUnused(link);
    }
  }

  async #over(link: Link, call: Exclude<AskCall, { what: 'close' }>, hearing: Hearing): Promise<unknown> {
    const { signal } = hearing;
    const asking = await link.asking;
    throwIfAborted(signal);
    if (call.what === 'manifest') {
      const manifest = await asking.manifest(call.name, call.version, { signal });
      link.manifests.set(`${manifest.name}@${manifest.version}`, manifest);
      return manifest;
    }
    const { name, version } = call.model;
    const manifest = link.manifests.get(`${name}@${version}`) ?? (await asking.manifest(name, version, { signal }));
    if (call.what === 'asset') return asking.asset(manifest, call.name, { signal });
    return asking.ask(manifest, call.program, call.values, call.indices, hearing);
  }

  /** The connection for a call, which counts as pending. */
  async #link(where: string, access: AskAccess, onProgress: OnProgress): Promise<Link> {
    const before = this.#links.get(where);
    const there = await before?.asking.catch(() => undefined);
    // Whoever came first may have opened another one
    const now = this.#links.get(where);
    if (now && (now !== before || (there && !there.dead))) {
      now.pending++;
      return now;
    }
    onProgress({ phase: 'connecting' });
    const manifests = before?.manifests ?? new Map();
    const link: Link = { asking: this.#connect(access), manifests, pending: 1, retired: false };
    this.#links.set(where, link);
    return link;
  }

  /** One of the models that are reached so is let go; what is asked of others meanwhile is answered. */
  #close(where: string): void {
    const link = this.#links.get(where);
    if (!link) return;
    this.#links.delete(where);
    link.retired = true;
    this.#endUnused(link);
  }

  #endUnused({ pending, retired, asking }: Link): void {
    if (pending > 0 || !retired) return;
    asking.then(
      (asking) => asking.close(),
      () => {},
    );
  }
}
