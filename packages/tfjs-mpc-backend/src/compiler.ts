import type { RunSlot } from '@secformer/party-node';
import { sizeOf } from '@secformer/ring';
import { type Graph, type GraphNode, isReplaced, ProgramError, type Shape } from '@secformer/secformer-ops';
import { configuration } from './config.js';
import type { Emission } from './emission.js';
import { HERE, passing, type SecretNode, type Variant, VIEWS } from './node-values.js';
import { copyOf, identityOf, isGated, plaintextOf, youngestOf } from './own.js';
import { floorOf } from './rewrites/addends.js';
import { layerNormOf } from './rewrites/centred.js';
import { foldedGain } from './rewrites/gain.js';
import { matchGelu } from './rewrites/gelu.js';
import { matchFoldedLayerNorm, matchLayerNorm } from './rewrites/layer-norm.js';
import { atFloor, COMPARING, clipped, comparedTo, softmaxOf, unmasked } from './rewrites/masked.js';
import { powerAttention, reluPowerOf } from './rewrites/power.js';
import { quadOf } from './rewrites/quad.js';
import { extremeOf, SATURATING } from './rewrites/saturating.js';
import { scaledLeaf } from './rewrites/scale.js';
import { matchSilu } from './rewrites/silu.js';
import { matchLogSoftmax, matchSoftmax } from './rewrites/softmax.js';
import type { Write } from './runtime/messages.js';
import { stepOf } from './step-of.js';
import type { Step } from './steps.js';
import { withoutUnused } from './unused.js';

/** Fractional bits that a written tensor is shared with. */
const FRAC_BITS = 16;

/**
 * Nodes that are emitted within one another: each takes some calls, of which a stack holds about ten thousand.
 * BERT-large is about 200 deep, and so emitted in one go.
 */
const DEPTH = 500;

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

/** Emits a Graph for some recorded nodes, rewriting what it recognises on the way. */
export class Compiler implements Emission {
  readonly nodes: GraphNode[] = [];
  readonly slots: RunSlot[] = [];
  readonly sources = new Map<number, () => Write>();
  readonly needs = new Set<SecretNode>();
  /** how a client has the tensors that are its own, … */
  readonly steps = new Map<number, Step>();
  /** … and the indices, by their slots */
  readonly indexSteps = new Map<number, Step>();
  readonly suite: string;
  readonly #done = new Map<SecretNode, number>();
  readonly #slotOf = new Map<number, number>();
  readonly #uses: Map<SecretNode, number>;
  readonly #fold: boolean;
  /** whether a gate that the caller knows may be part of what the suite has another function for */
  readonly #gates: boolean;
  /** whether clients ask for it: what is the caller's alone is computed here, the nodes' work as well */
  readonly #published: boolean;
  readonly bare = new WeakSet<SecretNode>();
  #depth = 0;
  #resumed = false;

  /**
   * @param fold whether what the caller knows is computed in this process
   * @param published whether it is a model that clients will ask
   */
  constructor(suite: string, uses: Map<SecretNode, number>, fold: boolean, published = false) {
    this.suite = suite;
    this.#uses = uses;
    this.#fold = fold;
    this.#gates = isReplaced(suite, 'gelu');
    this.#published = published;
  }

  /**
   * Is this node needed by one recorded node only? Then a rewrite may change its scale. A handle that is still there
   * does not count: what it stands for is computed when it is read.
   */
  usedOnce(n: SecretNode): boolean {
    return this.uses(n) <= 1;
  }

  uses(n: SecretNode): number {
    return this.#uses.get(n) ?? 0;
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
  variant(
    leaf: SecretNode,
    key: string,
    values: () => Float32Array,
    fracBits = FRAC_BITS,
    shape: Shape = leaf.shape,
    step?: Step,
    known = leaf.owner === 'public',
  ): number {
    if (leaf.owner === 'client' && !step) throw new TypeError(`a client's value of shape [${shape}] without its step`);
    let v: Variant | undefined = leaf.variants.get(key);
    if (!v) {
      v = { tensor: newTensor(), values, fracBits, known };
      leaf.variants.set(key, v);
    }
    const { tensor } = v;
    if (step) this.steps.set(tensor, step);
    this.needs.add(leaf);
    let made: Float32Array | undefined;
    const write: Write = {
      tensor,
      shape,
      fracBits,
      known,
      // When it is shared, if it is: what is looked at alone is not computed
      get values() {
        made ??= values();
        return made;
      },
    };
    return this.tensor(tensor, shape, () => write);
  }

  /** Something that the caller knows, computed in this process and shared as it came out; public, it is a constant. */
  own(n: SecretNode, fracBits = FRAC_BITS): number {
    const holder = youngestOf(n);
    if (!holder) return this.push({ op: 'constant', values: [...plaintextOf(n)], in: [], shape: n.shape });
    const copy = copyOf(n);
    const step = n.owner === 'client' ? stepOf(n) : undefined;
    return this.variant(
      holder,
      identityOf(n),
      () => Float32Array.from(plaintextOf(copy)),
      fracBits,
      n.shape,
      step,
      n.owner === 'public',
    );
  }

  /** Is this value among what was emitted? */
  emitted(n: SecretNode): number | undefined {
    return this.#done.get(n);
  }

  node(n: SecretNode): number {
    const known = this.#done.get(n);
    if (known !== undefined) return known;
    if (this.#depth === DEPTH) throw new TooDeep(n);
    this.#depth++;
    const made = this.#leaf(n) ?? this.#folded(n) ?? this.#rewritten(n) ?? this.#plain(n);
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
    const { operandBits } = configuration();
    const whole = { nodes, outputs, ...(operandBits === 13 && { operandBits }) };
    return this.#resumed ? withoutUnused(whole) : whole;
  }

  #leaf(n: SecretNode): number | undefined {
    if (n.op === 'constant') return this.push({ op: 'constant', values: n.attr('values'), in: [], shape: n.shape });
    if (n.tensor === undefined && !n.values) return undefined;
    this.needs.add(n);
    if (n.tensor !== undefined && !n.values) return this.tensor(n.tensor, n.shape);
    n.tensor ??= newTensor();
    const { tensor, shape } = n;
    if (n.step) this.steps.set(tensor, n.step);
    const known = n.owner === 'public';
    return this.tensor(tensor, shape, () => ({ tensor, values: n.values!, shape, fracBits: FRAC_BITS, known }));
  }

  /** Arithmetic on what the caller knows is the caller's; views of it are free at the nodes. */
  #folded(n: SecretNode): number | undefined {
    if (HERE.has(n.op)) return this.own(n);
    if (this.#published && n.knowable && n.owner === 'caller' && !VIEWS.has(n.op) && !isGated(n))
      return this.own(n, n.op === 'oneHot' ? 0 : FRAC_BITS);
    if (!this.#fold || !n.own || VIEWS.has(n.op) || n.op === 'oneHot' || n.op === 'gather' || !youngestOf(n))
      return undefined;
    if (this.#gates && isGated(n)) return undefined;
    return this.own(n);
  }

  #rewritten(n: SecretNode): number | undefined {
    const gelu = matchGelu(n);
    if (gelu)
      return this.push({ op: 'gelu', form: gelu.form, in: [atFloor(this, gelu.x, SATURATING.gelu!)], shape: n.shape });
    const norm = matchLayerNorm(n);
    if (norm) return layerNormOf(this, n, norm, n.shape);
    const folded = matchFoldedLayerNorm(n);
    if (folded) {
      const { shape } = n;
      const normal = layerNormOf(this, n, folded, shape);
      const scaled = folded.gain ? this.push({ op: 'mul', in: [normal, this.node(folded.gain)], shape }) : normal;
      return this.push({ op: 'add', in: [scaled, this.node(folded.bias)], shape });
    }
    const quad = quadOf(this, n, this.#fold);
    if (quad !== undefined) return quad;
    const weights = matchSoftmax(n);
    if (weights) return softmaxOf(this, n, weights);
    const logarithm = matchLogSoftmax(n);
    if (logarithm) return this.push({ op: 'logSoftmax', in: [atFloor(this, logarithm, floorOf())], shape: n.shape });
    const gated = matchSilu(n);
    if (gated) return this.push({ op: 'silu', in: [atFloor(this, gated, SATURATING.silu!)], shape: n.shape });
    const power = powerAttention(this, n) ?? reluPowerOf(this, n);
    if (power !== undefined) return power;
    return unmasked(this, n) ?? scaledLeaf(this, n) ?? foldedGain(this, n);
  }

  /** Own indices as zeros and ones, a row for each: of them only the slot is in the graph. */
  #oneHot({ ownIndices, indexOwner, indexStep, shape: whole }: SecretNode, shape: Shape = whole): number {
    const indices = ownIndices!;
    // The publisher's own are a tensor like its others
    if (this.#published && !indexStep && indexOwner !== 'public') {
      const hot = passing('oneHot', [], shape);
      hot.takeIndices({ values: indices, owner: indexOwner, step: undefined });
      return this.own(hot, 0);
    }
    const slot = this.slots.push({ indices }) - 1;
    if (indexStep) this.indexSteps.set(slot, indexStep);
    return this.push({ op: 'oneHot', slot, depth: shape.at(-1)!, in: [], shape });
  }

  #plain(n: SecretNode): number {
    const { shape } = n;
    if (n.op === 'oneHot') return this.#oneHot(n);
    if (n.op === 'gather') {
      const [table] = n.inputs as [SecretNode];
      const indices = n.ownIndices!;
      const depth = table.shape[0]!;
      const width = sizeOf(table.shape.slice(1));
      if (this.#published && n.indexOwner === 'public') {
        const places = Array.from(indices, (row) => Array.from({ length: width }, (_, i) => row * width + i)).flat();
        return this.push({ op: 'pick', indices: places, in: [this.node(table)], shape });
      }
      const hot = this.#oneHot(n, [indices.length, depth]);
      let from = this.node(table);
      if (table.shape.length !== 2) from = this.push({ op: 'reshape', in: [from], shape: [depth, width] });
      const rows = this.push({
        op: 'matMul',
        transposeA: false,
        transposeB: false,
        in: [hot, from],
        shape: [indices.length, width],
      });
      return this.push({ op: 'reshape', in: [rows], shape });
    }
    if (n.op === 'max' || n.op === 'argMax' || n.op === 'min' || n.op === 'argMin') return this.#extreme(n, n.op);
    if (n.op === 'select') return this.#select(n);
    if (COMPARING.has(n.op)) return comparedTo(this, n);
    if (n.op === 'clip') return clipped(this, n);
    const floor = n.op === 'topK' ? extremeOf(n.attr<number>('k')) : SATURATING[n.op];
    if (floor)
      return this.push({
        op: n.op,
        in: [atFloor(this, n.inputs[0]!, floor)],
        shape,
        ...n.attrs,
      } as unknown as GraphNode);
    const ins = n.inputs.map((i) => this.node(i));
    if (n.op === 'mean' || n.op === 'sum') {
      const axes = n.attr<number[]>('axes');
      const inner = n.inputs[0]!.shape;
      const summed = this.push({ op: 'sum', axes, in: ins, shape: inner.map((d, i) => (axes.includes(i) ? 1 : d)) });
      const scaled =
        n.op === 'sum'
          ? summed
          : this.push({
              op: 'mul',
              in: [summed, this.constant(1 / sizeOf(axes.map((a) => inner[a]!)))],
              shape: this.nodes[summed]!.shape,
            });
      return this.nodes[scaled]!.shape.join() === shape.join()
        ? scaled
        : this.push({ op: 'reshape', in: [scaled], shape });
    }
    if (n.op === 'leaf') throw new ProgramError(`a tensor of shape [${shape}] is not at the nodes any more`);
    return this.push({ op: n.op, in: ins, shape, ...n.attrs } as unknown as GraphNode);
  }

  /** The largest along an axis, which is moved to the end, and the least as the largest of the opposites. */
  #extreme(n: SecretNode, op: 'max' | 'argMax' | 'min' | 'argMin'): number {
    let x = n.inputs[0]!;
    const axis = n.attr<number>('axis');
    const rest = x.shape.map((_, i) => i).filter((i) => i !== axis);
    if (axis !== rest.length) {
      const perm = [...rest, axis];
      const { shape } = x;
      x = passing(
        'transpose',
        [x],
        perm.map((p) => shape[p]!),
        { perm },
      );
    }
    const least = op === 'min' || op === 'argMin';
    if (least) x = passing('neg', [x], x.shape);
    const one = [...x.shape.slice(0, -1), 1];
    const value = op === 'max' || op === 'min';
    let top = this.push({ op: value ? 'max' : 'argMax', in: [atFloor(this, x, extremeOf(1))], shape: one });
    if (op === 'min') top = this.push({ op: 'neg', in: [top], shape: one });
    return this.push({ op: 'reshape', in: [top], shape: n.shape });
  }

  /** e + c·(t − e) */
  #select(n: SecretNode): number {
    const [c, t, e] = n.inputs as [SecretNode, SecretNode, SecretNode];
    const { shape } = n;
    const no = this.node(e);
    const between = this.node(passing('sub', [t, e], shape));
    return this.push({ op: 'add', in: [no, this.push({ op: 'mul', in: [this.node(c), between], shape })], shape });
  }
}
