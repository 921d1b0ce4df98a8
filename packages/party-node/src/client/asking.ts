/** A client that asks published models, and knows of them what their manifests say. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { type Kernels, loadKernels, type Secret, sizeOf } from '@secformer/ring';
import type { Watched } from '@secformer/secformer-ops';
import { asyncDispose, dispose } from '../disposing.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import { fromBase64url, publicKeyFrom } from '../wire/keys.js';
import { type Manifest, type ManifestProgram, readManifest } from '../wire/manifest.js';
import { type Listed, listed, type Message, readJson, signedOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { type Abortable, during, throwIfAborted, unless } from './abortable.js';
import { ClientTensors } from './client-tensors.js';
import type { Credentials } from './credentials.js';
import { onesOfInputs } from './input-masks.js';
import { type Dial, NodeLinks } from './node-links.js';
import { persist } from './persist.js';
import { rising } from './run-progress.js';
import type { RunOptions, RunResult } from './run-request.js';
import type { OneHotInput, Runnable } from './runnable.js';
import { Runs } from './runs.js';

/**
 * A connection that asks published models, browser-safe. What it knows of a model is its manifest, which all three
 * nodes have to have alike, signed by the publisher: neither a node nor two of them can have it run something else.
 * At the end of a block with `using` it is closed. A call that is given up by its signal rejects with the signal's
 * reason, and others go on.
 */
export class Asking implements Disposable, AsyncDisposable {
  readonly kernels: Kernels;
  readonly #links: NodeLinks;
  readonly #tensors: ClientTensors;
  readonly #runs: Runs;
  #nextTensor = 1;

  /** the publisher's key that the grant is signed with, in hex */
  readonly #issuer: string | undefined;

  private constructor(kernels: Kernels, links: NodeLinks, issuer: string | undefined) {
    this.kernels = kernels;
    this.#issuer = issuer;
    this.#links = links;
    this.#tensors = new ClientTensors(kernels, links);
    this.#runs = new Runs(kernels, links);
    links.runs = this.#runs;
  }

  /**
   * Connects to the three nodes.
   * @param credentials the client's key and its grant; of a publisher, who may ask its own models, the key alone
   * @param options `signal` gives the connecting up, and means nothing to the connection
   * @throws NodeError UNREACHABLE, NOT_AUTHENTICATED, GRANT_REFUSED, TOO_MANY_CONNECTIONS and others; the signal's
   *   reason
   */
  static async connect(dial: Dial, credentials: Secret | Credentials, { signal }: Abortable = {}): Promise<Asking> {
    throwIfAborted(signal);
    const kernels = await loadKernels();
    return new Asking(kernels, await NodeLinks.connect(dial, credentials, signal), issuerOf(credentials));
  }

  /** why the connection is over */
  get dead(): NodeError | undefined {
    return this.#links.dead;
  }

  /** Ends the connection: asks under way are rejected with NodeError LINK_CLOSED. */
  close(): void {
    this.#links.lost(new NodeError('client', 'LINK_CLOSED', 'closed the connection'));
  }

  /** Called by `using`. */
  [dispose](): void {
    this.close();
  }

  /** Called by `await using`. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** Models that this client may ask, of those that are served. @throws NodeError; the signal's reason */
  async models({ signal }: Abortable = {}): Promise<Listed[]> {
    const what = 'a list of models';
    const lists = await this.#alike((re) => ({ t: 'models', re }), limits.listBytes, what, signal, false);
    const [mine, ...others] = lists.map((bytes, i) => readJson(listed, bytes, nodeName[NODES[i]!], 'a list of models'));
    return mine!.filter((m) => others.every((list) => list.some((l) => l.generation === m.generation)));
  }

  /**
   * A model's manifest, which all three nodes say alike and its publisher has signed.
   * @param version the one that was published last, of those that this client may ask, if absent
   * @throws NodeError MODEL_UNKNOWN, GRANT_REFUSED, and BAD_MESSAGE where the nodes differ or the signature is wrong;
   *   the signal's reason
   */
  async manifest(name: string, version?: string, { signal }: Abortable = {}): Promise<Manifest> {
    const make = (re: number): Message => ({ t: 'manifest', re, name, ...(version !== undefined && { version }) });
    const [bytes] = await this.#alike(make, limits.manifestBytes + 1024, `the manifest of ${name}`, signal);
    const m = readManifest(readJson(signedOf, bytes!, 'party 0', 'a manifest'), 'party 0');
    if (m.name !== name || (version !== undefined && m.version !== version))
      throw new NodeError('party 0', 'BAD_MESSAGE', `sent the manifest of ${m.name}@${m.version} for ${name}`);
    if (this.#issuer !== undefined && m.publisher !== this.#issuer)
      throw new NodeError(
        'party 0',
        'BAD_MESSAGE',
        `sent a manifest of ${name} that another than the grant's publisher signed`,
      );
    return m;
  }

  /**
   * A file that belongs to a model.
   * @throws NodeError MODEL_UNKNOWN where there is none of that name; the signal's reason
   */
  async asset(
    { name, version, generation, assets }: Manifest,
    file: string,
    { signal }: Abortable = {},
  ): Promise<Uint8Array> {
    const found = assets.find((a) => a.name === file);
    if (!found)
      throw new NodeError(
        'client',
        'MODEL_UNKNOWN',
        `${name}@${version} has no file '${file}'; it has ${assets.map((a) => a.name).join(', ') || 'none'}`,
      );
    const model = { name, version, generation };
    const make = (re: number): Message => ({ t: 'asset', re, model, sha256: found.sha256 });
    const bytes = await this.#answer('party0', make, found.bytes, signal);
    if (bytesToHex(sha256(bytes)) !== found.sha256)
      throw new NodeError('party 0', 'BAD_MESSAGE', `sent other bytes for the file '${file}' than the manifest says`);
    return bytes;
  }

  /**
   * Runs a published Program.
   * @param program its number in the manifest
   * @param values of the shapes that it says
   * @param indices lists that stay here, and reach the parties masked
   * @returns its outputs as reals in row-major order
   * @throws NodeError the nodes' refusal, with `retryAfterMs` where it is a matter of time; the signal's reason, and
   *   the nodes free what they had of it
   */
  async ask(
    m: Manifest,
    program: number,
    values: readonly Float32Array[],
    indices: readonly Int32Array[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    return unless(options.signal, () => this.#ask(m, program, { values, indices }, options));
  }

  async #ask(
    m: Manifest,
    program: number,
    { values, indices }: { values: readonly Float32Array[]; indices: readonly Int32Array[] },
    { signal, ...options }: RunOptions,
  ): Promise<RunResult> {
    const onProgress = rising(options.onProgress ?? (() => {}));
    const p = m.programs[program]!;
    const runnable = runnableOf(m, p);
    // Bad inputs are refused here, before the nodes learn of the run
    const ones = onesOfInputs(runnable.oneHots, (slot) => indices[slot]!);
    onProgress({ phase: 'sharing' });
    const shares = new Map<number, number>();
    const sharing = this.#share(p, values, shares, signal);
    sharing.catch(() => {});
    try {
      // Prepared while the values are shared
      const attempt = await persist(async () => {
        const made = this.#runs.attempt(runnable, 'streamed');
        made.waiting.onProgress = onProgress;
        await during(signal, made.cancel, () => made.ready);
        return made;
      }, signal);
      await during(signal, attempt.cancel, () => sharing).catch((error) => {
        attempt.cancel();
        throw error;
      });
      const bound = p.bindings.flatMap((b) => (b.kind === 'value' ? [shares.get(b.value)!] : []));
      const start = { ones, shares: bound, keeps: [] };
      const { outputs, record, left } = await during(signal, attempt.cancel, () => this.#runs.online(start, attempt));
      return { outputs, record, left };
    } finally {
      // What is on its way is freed as well
      await Promise.allSettled([sharing]);
      this.#tensors.freeAtNodes(this.#tensors.forget([...shares.values()]));
    }
  }

  async #share(
    p: ManifestProgram,
    values: readonly Float32Array[],
    shares: Map<number, number>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const b of p.bindings) {
      if (b.kind !== 'value' || shares.has(b.value)) continue;
      const tensor = this.#nextTensor++;
      shares.set(b.value, tensor);
      await this.#tensors.write(tensor, values[b.value]!, b.shape, { fracBits: b.fracBits }, { signal });
    }
  }

  /** Asks all three nodes. @throws NodeError BAD_MESSAGE where they say different things and should not */
  async #alike(
    make: (re: number) => Message,
    most: number,
    what: string,
    signal: AbortSignal | undefined,
    same = true,
  ): Promise<Uint8Array[]> {
    const answers = await Promise.all(NODES.map((role) => this.#answer(role, make, most, signal)));
    const other = answers.findIndex((a) => a.length !== answers[0]!.length || a.some((b, i) => b !== answers[0]![i]));
    if (same && other > 0)
      throw new NodeError(
        nodeName[NODES[other] as NodeRole],
        'BAD_MESSAGE',
        `says something else than party 0 of ${what}; it may be being published, or one of them is not honest`,
      );
    return answers;
  }

  /** What a node says; one that has just started waits for what the others have. */
  #answer(
    role: NodeRole,
    make: (re: number) => Message,
    most: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const answered = () => persist(() => this.#links.answer(role, make, most, signal), signal);
    return unless(signal, answered);
  }
}

/** A published Program as a client runs it. @throws NodeError BAD_MESSAGE where the manifest contradicts itself */
function runnableOf({ name, version, generation }: Manifest, p: ManifestProgram): Runnable {
  const oneHots = p.bindings.flatMap((b): OneHotInput[] => {
    if (b.kind !== 'oneHot') return [];
    const { shape, width, indices, depth, part, salt } = b;
    return [{ shape, width, binding: { kind: 'oneHot', slot: indices, depth, part, salt } }];
  });
  if (oneHots.some(({ shape }) => sizeOf(shape) > limits.askerBytes))
    throw new NodeError(
      'client',
      'BAD_MESSAGE',
      `the manifest of ${name}@${version} wants more than a client may send`,
    );
  return {
    hash: p.hash,
    inputs: [],
    model: { name, version, generation },
    oneHots,
    outputs: p.revealed,
    checks: p.checks as unknown as Watched[],
    rounds: p.cost.rounds,
  };
}

/** Who has signed the grant: a manifest of anybody else is not what it is for. The nodes check the grant itself. */
function issuerOf(credentials: Secret | Credentials): string | undefined {
  if (!('key' in credentials) || credentials.grant === undefined) return undefined;
  const claims = credentials.grant.trim().split('.')[1] ?? '';
  try {
    const { iss } = JSON.parse(fromBase64url(claims)) as { iss?: unknown };
    return publicKeyFrom(String(iss));
  } catch {
    // The nodes will refuse it
    return undefined;
  }
}
