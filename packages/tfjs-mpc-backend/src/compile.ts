import type { RunSlot } from '@secformer/party-node';
import { sizeOf } from '@secformer/ring';
import { type Graph, type GraphNode, ProgramError, QUAD_CONSTANT, type Shape, suiteOf } from '@secformer/secformer-ops';
import { type Calibration, rangesOf } from './calibration.js';
import type { SecretNode, Variant } from './node-values.js';
import { foldedGain } from './rewrites/gain.js';
import { matchGelu } from './rewrites/gelu.js';
import { matchFoldedLayerNorm, matchLayerNorm } from './rewrites/layer-norm.js';
import { clampedRows, kept, keptBias, ownAddend } from './rewrites/mask.js';
import { matchQuad } from './rewrites/quad.js';
import { scaledLeaf } from './rewrites/scale.js';
import { matchSilu } from './rewrites/silu.js';
import { matchLogSoftmax, matchSoftmax } from './rewrites/softmax.js';
import type { RunJob, Write } from './runtime/messages.js';
import { withoutUnused } from './unused.js';

/** Fractional bits that a written tensor is shared with. */
const FRAC_BITS = 16;

/** Nodes that are emitted within one another: each takes some calls, of which a stack holds about ten thousand. */
const DEPTH = 200;

/** A node that is emitted before what needs it: see `Compiler.whole`. */
class TooDeep extends Error {
  constructor(readonly node: SecretNode) {
    super('too deep');
  }
}

let nextTensor = 1;
export function newTensor(): number {
  return nextTensor++;
}

/** What a read turns into: a job for the session, what it may have to share first, and which recorded nodes stay at the nodes. */
export interface Compiled {
  job: RunJob;
  /** how to share each tensor that the caller wrote */
  sources: Map<number, () => Write>;
  kept: { node: SecretNode; tensor: number }[];
  /** recorded nodes whose tensors the run takes, which have to stay there until it is over */
  needs: ReadonlySet<SecretNode>;
}

/** Emits a Graph for some recorded nodes, rewriting what it recognises on the way. */
export class Compiler {
  readonly nodes: GraphNode[] = [];
  readonly slots: RunSlot[] = [];
  readonly sources = new Map<number, () => Write>();
  readonly needs = new Set<SecretNode>();
  readonly suite: string;
  readonly #done = new Map<SecretNode, number>();
  readonly #slotOf = new Map<number, number>();
  readonly #uses: Map<SecretNode, number>;
  #depth = 0;
  #resumed = false;

  constructor(suite: string, uses: Map<SecretNode, number>) {
    this.suite = suite;
    this.#uses = uses;
  }

  /** Is this node needed by one recorded node only? Then a rewrite may change its scale. */
  usedOnce(n: SecretNode): boolean {
    return n.users === 1 && (this.#uses.get(n) ?? 0) <= 1;
  }

  push(node: GraphNode): number {
    return this.nodes.push(node) - 1;
  }

  constant(value: number): number {
    return this.push({ op: 'constant', values: [value], in: [], shape: [] });
  }

  tensor(tensor: number, shape: Shape, source?: () => Write, fracBits?: number): number {
    let slot = this.#slotOf.get(tensor);
    if (slot === undefined) {
      slot = this.slots.push({ tensor }) - 1;
      this.#slotOf.set(tensor, slot);
      if (source) this.sources.set(tensor, source);
      const at = this.push({ op: 'input', slot, in: [], shape, ...(fracBits !== undefined && { fracBits }) });
      this.#slotOf.set(-tensor, at);
    }
    return this.#slotOf.get(-tensor)!;
  }

  /** A changed form of a leaf's plaintext, shared as a tensor of its own. */
  variant(leaf: SecretNode, key: string, values: () => Float32Array, fracBits = FRAC_BITS, shape: Shape = leaf.shape): number {
    let v: Variant | undefined = leaf.variants.get(key);
    if (!v) {
      v = { tensor: newTensor(), values, fracBits };
      leaf.variants.set(key, v);
    }
    const { tensor } = v;
    this.needs.add(leaf);
    return this.tensor(tensor, shape, () => ({ tensor, values: values(), shape, fracBits }));
  }

  node(n: SecretNode): number {
    const known = this.#done.get(n);
    if (known !== undefined) return known;
    if (this.#depth === DEPTH) throw new TooDeep(n);
    this.#depth++;
    const made = this.#leaf(n) ?? this.#rewritten(n) ?? this.#plain(n);
    this.#depth--;
    this.#done.set(n, made);
    return made;
  }

  /** The same for a node however deep the graph below it is: what lies too deep is emitted first, from there down. */
  whole(n: SecretNode): number {
    const left = [n];
    for (let next = n; ; next = left.at(-1)!) {
      this.#depth = 0;
      try {
        const made = this.node(next);
        left.pop();
        if (left.length === 0) return made;
      } catch (error) {
        if (!(error instanceof TooDeep)) throw error;
        left.push(error.node);
        this.#resumed = true;
      }
    }
  }

  /** The graph, without what was emitted in vain on the way down to something too deep. */
  graph(outputs: number[]): Graph {
    const { nodes } = this;
    return this.#resumed ? withoutUnused({ nodes, outputs }) : { nodes, outputs };
  }

  #leaf(n: SecretNode): number | undefined {
    if (n.op === 'constant') return this.push({ op: 'constant', values: n.attr('values'), in: [], shape: n.shape });
    if (n.tensor === undefined && !n.values) return undefined;
    this.needs.add(n);
    if (n.tensor !== undefined && !n.values) return this.tensor(n.tensor, n.shape);
    n.tensor ??= newTensor();
    const { tensor, shape } = n;
    return this.tensor(tensor, shape, () => ({ tensor, values: n.values!, shape, fracBits: FRAC_BITS }));
  }

  #rewritten(n: SecretNode): number | undefined {
    const gelu = matchGelu(n);
    if (gelu) return this.push({ op: 'gelu', form: gelu.form, in: [this.node(gelu.x)], shape: n.shape });
    const norm = matchLayerNorm(n);
    if (norm) return this.push({ op: 'layerNorm', epsilon: norm.epsilon, in: [this.node(norm.x)], shape: n.shape });
    const folded = matchFoldedLayerNorm(n);
    if (folded) {
      const { shape } = n;
      const normal = this.push({ op: 'layerNorm', epsilon: folded.epsilon, in: [this.node(folded.x)], shape });
      const scaled = folded.gain ? this.push({ op: 'mul', in: [normal, this.node(folded.gain)], shape }) : normal;
      return this.push({ op: 'add', in: [scaled, this.node(folded.bias)], shape });
    }
    const quad = matchQuad(n);
    if (quad) {
      const x = this.node(quad.scores);
      const mask = quad.mask && this.variant(quad.mask, 'bits', () => quad.mask!.values!, 0);
      return this.push({ op: 'quad', c: quad.c, in: mask === undefined ? [x] : [x, mask], shape: n.shape });
    }
    const weights = matchSoftmax(n);
    if (weights) return this.#softmax(n, weights);
    const logarithm = matchLogSoftmax(n);
    if (logarithm) return this.push({ op: 'logSoftmax', in: [this.node(logarithm)], shape: n.shape });
    const gated = matchSilu(n);
    if (gated) return this.push({ op: 'silu', in: [this.node(gated)], shape: n.shape });
    return scaledLeaf(this, n) ?? foldedGain(this, n);
  }

  #softmax(n: SecretNode, x: SecretNode): number {
    const { quadratic, maskFloor, shiftable } = suiteOf(this.suite);
    if (quadratic) warnOfQuad(this.suite);
    const own = ownAddend(x);
    if (!own) return this.push({ op: 'softmax', in: [this.node(x)], shape: n.shape });
    const { leaf, sign, scoresSign } = own;
    let scores = this.node(own.scores);
    if (quadratic) {
      if (scoresSign < 0) scores = this.push({ op: 'neg', in: [scores], shape: own.scores.shape });
      if (own.scores.shape.join() !== x.shape.join()) scores = this.push({ op: 'broadcast', in: [scores], shape: x.shape });
      const mask = this.variant(leaf, `keep ${sign}`, () => kept(own), 0);
      const bias = this.variant(leaf, `bias ${sign}`, () => keptBias(own));
      return this.push({ op: 'quad', c: QUAD_CONSTANT, in: [scores, mask, bias], shape: n.shape });
    }
    const clamped = this.variant(leaf, `clamp ${sign} ${maskFloor} ${shiftable}`, () => clampedRows(own, maskFloor, shiftable));
    const sum = scoresSign < 0 ? this.push({ op: 'sub', in: [clamped, scores], shape: x.shape }) : this.push({ op: 'add', in: [scores, clamped], shape: x.shape });
    return this.push({ op: 'softmax', in: [sum], shape: n.shape });
  }

  /** Own indices as zeros and ones, a row for each: of them only the slot is in the graph. */
  #oneHot(indices: Int32Array, shape: Shape): number {
    const slot = this.slots.push({ indices }) - 1;
    return this.push({ op: 'oneHot', slot, depth: shape.at(-1)!, in: [], shape });
  }

  #plain(n: SecretNode): number {
    const { shape } = n;
    if (n.op === 'oneHot') return this.#oneHot(n.ownIndices!, shape);
    if (n.op === 'gather') {
      const [table] = n.inputs as [SecretNode];
      const indices = n.ownIndices!;
      const depth = table.shape[0]!;
      const hot = this.#oneHot(indices, [indices.length, depth]);
      const width = sizeOf(table.shape.slice(1));
      let from = this.node(table);
      if (table.shape.length !== 2) from = this.push({ op: 'reshape', in: [from], shape: [depth, width] });
      const rows = this.push({ op: 'matMul', transposeA: false, transposeB: false, in: [hot, from], shape: [indices.length, width] });
      return this.push({ op: 'reshape', in: [rows], shape });
    }
    const ins = n.inputs.map((i) => this.node(i));
    if (n.op === 'mean' || n.op === 'sum') {
      const axes = n.attr<number[]>('axes');
      const inner = n.inputs[0]!.shape;
      const summed = this.push({ op: 'sum', axes, in: ins, shape: inner.map((d, i) => (axes.includes(i) ? 1 : d)) });
      const scaled = n.op === 'sum' ? summed : this.push({ op: 'mul', in: [summed, this.constant(1 / sizeOf(axes.map((a) => inner[a]!)))], shape: this.nodes[summed]!.shape });
      return this.nodes[scaled]!.shape.join() === shape.join() ? scaled : this.push({ op: 'reshape', in: [scaled], shape });
    }
    if (n.op === 'max' || n.op === 'argMax' || n.op === 'min' || n.op === 'argMin') {
      const inner = n.inputs[0]!.shape;
      const axis = n.attr<number>('axis');
      const rank = inner.length;
      let x = ins[0]!;
      const perm = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
      const moved = perm.map((p) => inner[p]!);
      if (axis !== rank - 1) x = this.push({ op: 'transpose', perm, in: [x], shape: moved });
      const least = n.op === 'min' || n.op === 'argMin';
      if (least) x = this.push({ op: 'neg', in: [x], shape: moved });
      let top = this.push({ op: n.op === 'max' || n.op === 'min' ? 'max' : 'argMax', in: [x], shape: [...moved.slice(0, -1), 1] });
      if (n.op === 'min') top = this.push({ op: 'neg', in: [top], shape: this.nodes[top]!.shape });
      return this.push({ op: 'reshape', in: [top], shape });
    }
    if (n.op === 'leaf') throw new ProgramError(`a tensor of shape [${shape}] is not at the nodes any more`);
    return this.push({ op: n.op, in: ins, shape, ...n.attrs } as unknown as GraphNode);
  }
}

let warned = false;

/** Once: a model that was not trained for it answers differently under 2Quad. */
function warnOfQuad(suite: string): void {
  if (warned) return;
  warned = true;
  console.warn(`secformer: suite '${suite}' computes softmax as 2Quad, (s+5)²/Σ(s+5)²; use it with models trained that way, or suite 'exact'`);
}

/** Compiles the reading of one node: its ancestors up to what the nodes or the caller have. */
export function compile(target: SecretNode, suite: string, calibration?: Calibration): Compiled {
  const pending = new Set<SecretNode>();
  const uses = new Map<SecretNode, number>();
  const left = [target];
  for (let n = left.pop(); n; n = left.pop()) {
    if (pending.has(n) || n.values || n.tensor !== undefined) continue;
    pending.add(n);
    for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
    for (let i = n.inputs.length - 1; i >= 0; i--) left.push(n.inputs[i]!);
  }
  const compiler = new Compiler(suite, uses);
  const outputs = [compiler.whole(target)];
  const kept: Compiled['kept'] = [];
  // What a live handle or a node outside this read still refers to stays at the nodes, so that nothing is computed twice
  for (const n of pending) {
    if (n === target || n.op === 'constant' || n.users <= (uses.get(n) ?? 0)) continue;
    outputs.push(compiler.whole(n));
    kept.push({ node: n, tensor: newTensor() });
  }
  const graph = compiler.graph(outputs);
  const job: RunJob = { graph, slots: compiler.slots, revealed: [0], kept: kept.map(({ tensor }, i) => ({ output: i + 1, tensor })), suite };
  const ranges = rangesOf(calibration, graph);
  if (ranges) job.ranges = ranges;
  return { job, sources: compiler.sources, kept, needs: compiler.needs };
}
