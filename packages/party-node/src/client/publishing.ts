/** The publisher's side of publishing: plans, shared and opened weights, and a signed manifest become a model. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import {
  type Binding,
  type CheckedProgram,
  type Forms,
  formsTaken,
  type Graph,
  type InputState,
  type NodeRanges,
  type Plan,
  plan,
  readProgram,
  type ShareType,
  saltOf,
  suiteOf,
  withoutUnusedInputs,
  writtenTensor,
} from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { keyPairFrom } from '../wire/keys.js';
import {
  type Manifest,
  type ManifestInput,
  type ManifestProgram,
  signManifest,
  type TensorSpec,
} from '../wire/manifest.js';
import { jsonBytes, type Message } from '../wire/messages.js';
import { NODES } from '../wire/tokens.js';
import { type Abortable, during, throwIfAborted } from './abortable.js';
import { checkSize } from './check-size.js';
import type { ClientTensors } from './client-tensors.js';
import type { NodeLinks } from './node-links.js';
import { persist } from './persist.js';
import { encodeProgram, shapeOf } from './planner.js';
import type { Runs } from './runs.js';

/** Fractional bits that a model's outputs leave with: what the values of its clients have too. */
const REVEALED_BITS = 16;

/** What a slot of a published graph is: a tensor of the model, or what a client brings. */
export type PublishSlot = { tensor: number } | { value: number } | { indices: number };

/** A graph to publish, for one shape of the inputs. */
export interface PublishProgram {
  graph: Graph;
  suite: string;
  /** value ranges of the graph's nodes, as calibration measured them */
  ranges?: NodeRanges;
  /** whether operations tell where their values leave the domain of their protocol */
  watched: boolean;
  slots: PublishSlot[];
  /** what clients share, by the number in `slots` */
  values: { shape: number[]; fracBits: number }[];
  /** outputs that clients read */
  revealed: number[];
  inputs: TensorSpec[];
  outputs: TensorSpec[];
  /** JSON: how a client makes values, indices and outputs; see `ManifestProgram` */
  client: unknown;
}

/** A model to publish, of tensors that the session has written. */
export interface PublishRequest {
  name: string;
  version: string;
  programs: PublishProgram[];
  assets: { name: string; bytes: Uint8Array }[];
  /** the publisher's Ed25519 key, a seed of 32 bytes */
  key: Secret;
}

/** How far a publication is. */
export interface PublishProgress {
  phase: 'opening' | 'sending' | 'staging' | 'committing' | 'done';
  done: number;
  of: number;
}

/** A model that all three nodes have. */
export interface Published {
  name: string;
  version: string;
  generation: string;
  programs: ManifestProgram[];
}

interface PublishingOptions extends Abortable {
  onProgress?: (e: PublishProgress) => void;
  /** called before the nodes are told to stage it: from then on it ends by itself where the signal comes */
  staging?: () => void;
}

/** The session that a model is published from. */
export interface PublishingSession {
  links: NodeLinks;
  tensors: ClientTensors;
  runs: Runs;
}

/** A Program as it is published. */
interface Made {
  request: PublishProgram;
  bytes: Uint8Array;
  plan: Plan;
  checked: CheckedProgram;
}

/**
 * Publishes graphs whose tensors the session has written: opens weights once, has each node stage its part, and says
 * 'commit' once all three have. Where that fails, what was staged goes. A signal has an effect until then.
 * @throws NodeError with the node's refusal; the signal's reason
 */
export async function publish(
  session: PublishingSession,
  request: PublishRequest,
  { onProgress = () => {}, signal, staging = () => {} }: PublishingOptions = {},
): Promise<Published> {
  const { links } = session;
  const salt = saltOf(randomBytes(7));
  const of = request.programs.length;
  const made: Made[] = [];
  for (const [done, program] of request.programs.entries()) {
    onProgress({ phase: 'opening', done, of });
    let plan = weightsPlan(session.tensors, program, salt);
    // Mostly its publisher has written them as openings
    if (plan.keeps.length > 0) {
      await openWeights(session, program, salt, signal);
      plan = weightsPlan(session.tensors, program, salt);
    }
    throwIfAborted(signal);
    made.push(madeOf(program, plan));
  }
  const tensors = [...new Set(made.flatMap(tensorsOf))];
  const manifest = manifestOf(session, request, made, tensors);
  const signed = signManifest(manifest, request.key);
  if (signed.text.length > limits.manifestBytes)
    throw new NodeError(
      'client',
      'LIMIT_EXCEEDED',
      `a manifest of ${signed.text.length} bytes, of ${limits.manifestBytes} at most; publish fewer input shapes`,
    );
  const { generation, name, version } = manifest;
  const each = (make: (re: number) => Message, ...payload: Uint8Array[]) =>
    NODES.map((role) => persist(() => links.ask(role, make, ...payload), signal));
  for (const [done, { bytes, checked }] of made.entries()) {
    onProgress({ phase: 'sending', done, of });
    await session.runs.send(bytesToHex(checked.hash), bytes, signal);
    throwIfAborted(signal);
  }
  for (const { bytes } of request.assets) {
    await Promise.all(each((re) => ({ t: 'upload', re, sha256: bytesToHex(sha256(bytes)) }), bytes));
    throwIfAborted(signal);
  }
  staging();
  try {
    onProgress({ phase: 'staging', done: 0, of: 1 });
    // Each has said what it has before it is told to discard that
    const staged = await Promise.allSettled(each((re) => ({ t: 'stage', re }), jsonBytes({ ...signed, tensors })));
    throwIfAborted(signal);
    const failed = staged.find((s) => s.status === 'rejected');
    if (failed) throw failed.reason;
  } catch (error) {
    if (!links.dead)
      await Promise.allSettled(NODES.map((role) => links.ask(role, (re) => ({ t: 'discard', re, generation }))));
    throw error;
  }
  onProgress({ phase: 'committing', done: 0, of: 1 });
  await Promise.all(NODES.map((role) => persist(() => links.ask(role, (re) => ({ t: 'commit', re, generation })))));
  // They are the model's now
  session.tensors.forget(tensors);
  onProgress({ phase: 'done', done: of, of });
  return { name, version, generation, programs: manifest.programs };
}

/** See `Session.formsToPublish`. What one program has opened the next ones take. */
export function formsToPublish(
  tensors: Pick<ClientTensors, 'state'>,
  programs: readonly PublishProgram[],
  fresh: ReadonlyMap<number, Partial<InputState>>,
): Map<number, Forms> {
  const forms = new Map<number, Forms>([...fresh.keys()].map((t) => [t, { share: false, widths: [] }]));
  const there: Pick<ClientTensors, 'state'> = {
    state: (tensor) => {
      const state = fresh.get(tensor);
      if (!state) return tensors.state(tensor);
      return { ...writtenTensor, ...state, stored: [...forms.get(tensor)!.widths] };
    },
  };
  for (const p of programs)
    for (const [slot, { share, widths }] of formsTaken(weightsPlan(there, p))) {
      const of = p.slots[slot]!;
      const before = 'tensor' in of ? forms.get(of.tensor) : undefined;
      if (!before) continue;
      const all = [...new Set([...before.widths, ...widths])].sort((a, b) => a - b);
      forms.set(tensorOf(of), { share: share || before.share, widths: all });
    }
  // A share is opened by the nodes, and what no program takes in any form is there as a share
  for (const [t, { share, widths }] of forms) if (share || widths.length === 0) forms.set(t, SHARED);
  return forms;
}

const SHARED: Forms = { share: true, widths: [] };

/** What a program does, with what it opens of weights. */
function weightsPlan(tensors: Pick<ClientTensors, 'state'>, p: PublishProgram, salt = 0): Plan {
  const states = p.slots.map((s) => stateOf(tensors, p, s));
  const options = { salt, watched: p.watched, revealBits: REVEALED_BITS };
  return withoutUnusedInputs(plan(p.graph, suiteOf(p.suite), states, p.revealed, [], p.ranges, options));
}

/** What planning knows of a slot. */
function stateOf(tensors: Pick<ClientTensors, 'state'>, { values }: PublishProgram, slot: PublishSlot): InputState {
  if ('tensor' in slot) return tensors.state(slot.tensor);
  const { fracBits } = 'value' in slot ? values[slot.value]! : writtenTensor;
  return { ...writtenTensor, fracBits, once: true };
}

const tensorOf = (slot: PublishSlot) => (slot as { tensor: number }).tensor;

/** Runs what opens a graph's weights and nothing else, if some are not opened yet. */
async function openWeights(
  session: PublishingSession,
  p: PublishProgram,
  salt: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const states = p.slots.map((s) => stateOf(session.tensors, p, s));
  const opening = withoutUnusedInputs(plan(p.graph, suiteOf(p.suite), states, [], [], p.ranges, { salt }));
  if (opening.keeps.length === 0) return;
  const bytes = encodeProgram(opening);
  const checked = readProgram(bytes);
  const hash = bytesToHex(checked.hash);
  const { runs, tensors } = session;
  await runs.send(hash, bytes, signal);
  throwIfAborted(signal);
  const inputs = opening.bindings.map((b) => {
    if (b.kind !== 'opened') return { kind: b.kind };
    const tensor = tensorOf(p.slots[b.slot]!);
    return { kind: b.kind, tensor, width: b.width, run: tensors.openedBy(tensor, b.width) };
  });
  const named = (slot: number) => tensorOf(p.slots[slot]!);
  const keeps = opening.keeps.map((k) => named((k as { slot: number }).slot));
  const shares = opening.bindings.flatMap((b) => (b.kind === 'share' ? [named(b.slot)] : []));
  const { run } = await persist(() => {
    const attempt = runs.attempt({ hash, inputs, ...shapeOf({ plan: opening, checked }) }, 'streamed');
    return during(signal, attempt.cancel, () => runs.online({ ones: [], shares, keeps }, attempt));
  }, signal);
  const types = checked.program.keeps.map((v) => checked.types[v]!);
  tensors.keep(opening.keeps, types, keeps, run);
}

/** A graph's Program, of weights that are opened. */
function madeOf(p: PublishProgram, made: Plan): Made {
  // One whose openings depend on what is revealed would have to be opened anew for every client
  const program = { ...made.program, keeps: [] };
  checkSize(program);
  const bytes = encodeProgram({ ...made, program });
  return { request: p, bytes, plan: { ...made, program, keeps: [] }, checked: readProgram(bytes) };
}

/** The session's tensors that a Program reads. */
function tensorsOf({ request: { slots }, plan: { bindings } }: Made): number[] {
  return bindings.flatMap(({ kind, slot }) => {
    const of = slots[slot]!;
    return kind !== 'oneHot' && 'tensor' in of ? [of.tensor] : [];
  });
}

function manifestOf(session: PublishingSession, r: PublishRequest, made: Made[], tensors: number[]): Manifest {
  const { name, version, key, assets } = r;
  const number = new Map(tensors.map((t, i) => [t, i]));
  return {
    format: 1,
    name,
    version,
    publisher: keyPairFrom(key).public,
    published: Date.now(),
    generation: bytesToHex(randomBytes(16)),
    suite: r.programs[0]!.suite,
    tensors: tensors.map((t) => {
      const { fracBits, bits, magnitude, digest } = session.tensors.state(t);
      return { shape: [...session.tensors.shape(t)], fracBits, bits, magnitude, ...(digest && { digest }) };
    }),
    assets: assets.map((a) => ({ name: a.name, bytes: a.bytes.length, sha256: bytesToHex(sha256(a.bytes)) })),
    programs: made.map(({ request, plan: { bindings, checks, program }, checked }) => ({
      hash: bytesToHex(checked.hash),
      inputs: request.inputs,
      outputs: request.outputs,
      bindings: bindings.map((b, i) => inputOf(b, request.slots[b.slot]!, program.inputs[i]!, number)),
      revealed: checked.program.outputs.map((v) => {
        const { shape, bits, fracBits } = checked.types[v] as ShareType;
        return { shape: [...shape], bits, fracBits };
      }),
      checks: checks.map((c) => ({ ...c })),
      client: request.client,
      cost: {
        rounds: checked.cost.rounds,
        online: checked.cost.online,
        dealer: checked.cost.dealer,
        instructions: program.instructions.length,
      },
    })),
  };
}

function inputOf(
  b: Binding,
  slot: PublishSlot,
  input: Plan['program']['inputs'][number],
  number: ReadonlyMap<number, number>,
): ManifestInput {
  const shape = [...input.shape];
  if (b.kind === 'oneHot') {
    const { depth, part, salt } = b;
    return {
      kind: 'oneHot',
      indices: (slot as { indices: number }).indices,
      shape,
      width: (input as { width: number }).width,
      depth,
      part,
      salt,
    };
  }
  if ('value' in slot)
    return { kind: 'value', value: slot.value, shape, fracBits: (input as { fracBits: number }).fracBits };
  const tensor = number.get(tensorOf(slot))!;
  return b.kind === 'opened' ? { kind: 'opened', tensor, width: b.width } : { kind: 'weight', tensor };
}
