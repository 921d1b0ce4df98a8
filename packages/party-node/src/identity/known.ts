import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { Claim } from '../wire/handshake.js';
import { type KeyPair, publicKeyText } from '../wire/keys.js';
import type { Grant, Principal, PublisherLimits } from '../wire/principal.js';
import type { NodeRole } from '../wire/tokens.js';
import { type Access, isDenied, readAccessFile } from './access-file.js';
import { bad } from './files.js';
import { readGrant } from './grants.js';
import type { Network } from './network.js';
import { readNetworkFile } from './network-file.js';

export interface KnownOptions {
  role: NodeRole;
  key: KeyPair;
  /** the network file; nodes prove themselves by tokens if absent */
  peers?: string | undefined;
  /** the access file; clients prove themselves by the token if absent */
  access?: string | undefined;
  log: (event: string, fields?: Record<string, unknown>) => void;
}

/** What a grant was checked by. */
interface Checked {
  issuer: string;
  network: string;
}

/** Whom a node knows by their keys: what its network and access files say, which are read again when it is told to. */
export class Known {
  readonly key: KeyPair;
  /** absent where clients with keys are not taken */
  readonly identify?: (claim: Claim) => Promise<Principal>;
  readonly #o: KnownOptions;
  readonly #grants = new WeakMap<Grant, Checked>();
  #network: Network | undefined;
  #access: Access | undefined;

  /** @throws NodeError BAD_CONFIGURATION with the file, what is wrong with it and what to do */
  constructor(options: KnownOptions) {
    this.#o = options;
    this.key = options.key;
    if (options.access !== undefined && options.peers === undefined)
      throw bad('--access needs --peers: a grant is for the three nodes whose keys the network file has');
    this.#read();
    if (options.access !== undefined) this.identify = (claim) => this.#identify(claim);
  }

  #read(): void {
    const { role, peers, access, key } = this.#o;
    const network = peers === undefined ? undefined : readNetworkFile(peers);
    if (network && network.pins[role] !== key.public)
      throw bad(
        `the network file ${peers} has ${network.keys[role]} as the key of ${role}, ` +
          `and this node's is ${publicKeyText(key.public)}; correct the file, or give the --data-dir with its key`,
      );
    const list = access === undefined ? undefined : readAccessFile(access);
    [this.#network, this.#access] = [network, list];
  }

  /** Reads both files again; where one of them is wrong, what they said before stays. @returns whether it was read */
  reload(): boolean {
    try {
      this.#read();
    } catch (error) {
      this.#o.log('not reloaded', { why: (error as Error).message });
      return false;
    }
    this.#o.log('reloaded', { publishers: this.#access?.publishers.map((p) => p.name) });
    return true;
  }

  /** undefined where nodes prove themselves by tokens */
  pins(): Readonly<Record<NodeRole, string>> | undefined {
    return this.#network?.pins;
  }

  urlOf(role: NodeRole): string | undefined {
    return this.#network?.urls[role];
  }

  async #identify({ public: client, grant: text }: Claim): Promise<Principal> {
    const [access, network] = [this.#access!, this.#network!.id];
    if (text === undefined) {
      const publisher = access.publishers.find((p) => p.key === client);
      if (publisher) return { kind: 'publisher', name: publisher.name, key: client, limits: publisher.limits };
      throw new NodeError('client', 'NOT_AUTHENTICATED', 'shows a key of nobody who may publish here, and no grant');
    }
    const grant = await readGrant(text, { client, access, network, now: Date.now() / 1000 });
    const { key: issuer, limits } = access.publishers.find((p) => p.name === grant.publisher)!;
    this.#grants.set(grant, { issuer, network });
    return { kind: 'asker', grant, limits };
  }

  /** why somebody who was let in with a key would not be let in now; undefined where they would */
  ended(principal: Principal, key: string): string | undefined {
    if (principal.kind === 'node' && this.#network?.pins[principal.role] !== key)
      return 'the network file has another key for this node';
    if (principal.kind === 'publisher') {
      const now = this.#access?.publishers.find((p) => p.key === key && p.name === principal.name);
      if (!now) return 'is no publisher here any more';
      if (!same(now.limits, principal.limits)) return 'has other limits now; connect again';
    }
    return principal.kind === 'asker' ? this.#endedGrant(principal.grant) : undefined;
  }

  #endedGrant(grant: Grant): string | undefined {
    const by = this.#grants.get(grant);
    if (Date.now() / 1000 >= grant.expires + limits.clockSkewSeconds) return 'the grant is over';
    if (this.#network?.id !== by?.network) return 'the grant is for another network of nodes';
    const publisher = this.#access?.publishers.find((p) => p.name === grant.publisher);
    if (!publisher || publisher.key !== by?.issuer) return 'the grant is of nobody who may publish here any more';
    return isDenied(this.#access!, grant) ? 'the operator of this node has denied the grant' : undefined;
  }
}

function same(a: PublisherLimits, b: PublisherLimits): boolean {
  return a.models === b.models && a.bytes === b.bytes && a.runs === b.runs;
}
