import type { RunSlot } from '@secformer/party-node';
import { EncodingError, sizeOf } from '@secformer/ring';
import { type Graph, type GraphNode, ProgramError, QUAD_CONSTANT, type Shape, suiteOf } from '@secformer/secformer-ops';
import { HERE, passing, type SecretNode, type Variant, VIEWS } from './node-values.js';
import { copyOf, identityOf, plaintextOf, youngestOf } from './own.js';
import { addendOf, FAR_BELOW_SOFTMAX, floorOf } from './rewrites/addends.js';
import { type Floor, LEAST } from './rewrites/floor.js';
import { floored } from './rewrites/floored.js';
import { foldedGain } from './rewrites/gain.js';
import { matchGelu } from './rewrites/gelu.js';
import { matchFoldedLayerNorm, matchLayerNorm } from './rewrites/layer-norm.js';
import { matchQuad } from './rewrites/quad.js';
import { extremeOf, SATURATING } from './rewrites/saturating.js';
import { scaledLeaf } from './rewrites/scale.js';
import { matchSilu } from './rewrites/silu.js';
import { matchLogSoftmax, matchSoftmax } from './rewrites/softmax.js';
import type { Write } from './runtime/messages.js';
import { FAR_FROM, traitsOf } from './traits.js';
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
export class Compiler {
  readonly nodes: GraphNode[] = [];
  readonly slots: RunSlot[] = [];
  readonly sources = new Map<number, () => Write>();
  readonly needs = new Set<SecretNode>();
  readonly suite: string;
  readonly #done = new Map<SecretNode, number>();
  readonly #slotOf = new Map<number, number>();
  readonly #uses: Map<SecretNode, number>;
  readonly #fold: boolean;
  /**
   * what a mask was taken out of: it is not looked for in the same value again, where it may be there for good, as NaN
   * is
   */
  readonly #bare = new WeakSet<SecretNode>();
  #depth = 0;
  #resumed = false;

  /** @param fold whether what the caller knows is computed in this process */
  constructor(suite: string, uses: Map<SecretNode, number>, fold: boolean) {
    this.suite = suite;
    this.#uses = uses;
    this.#fold = fold;
  }

  /**
   * Is this node needed by one recorded node only? Then a rewrite may change its scale. A handle that is still there
   * does not count: what it stands for is computed when it is read.
   */
  usedOnce(n: SecretNode): boolean {
    return (this.#uses.get(n) ?? 0) <= 1;
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
  ): number {
    let v: Variant | undefined = leaf.variants.get(key);
    if (!v) {
      v = { tensor: newTensor(), values, fracBits };
      leaf.variants.set(key, v);
    }
    const { tensor } = v;
    this.needs.add(leaf);
    let made: Float32Array | undefined;
    const write: Write = {
      tensor,
      shape,
      fracBits,
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
    return this.variant(holder, identityOf(n), () => Float32Array.from(plaintextOf(copy)), fracBits, n.shape);
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

  /** Arithmetic on what the caller knows is the caller's; views of it are free at the nodes. */
  #folded(n: SecretNode): number | undefined {
    if (HERE.has(n.op)) return this.own(n);
    if (!this.#fold || !n.own || VIEWS.has(n.op) || n.op === 'oneHot' || n.op === 'gather' || !youngestOf(n))
      return undefined;
    if (suiteOf(this.suite).replaces?.includes('gelu') && matchGelu(n)) return undefined;
    return this.own(n);
  }

  #rewritten(n: SecretNode): number | undefined {
    const gelu = matchGelu(n);
    if (gelu)
      return this.push({ op: 'gelu', form: gelu.form, in: [this.#floored(gelu.x, SATURATING.gelu!)], shape: n.shape });
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
    if (logarithm) return this.push({ op: 'logSoftmax', in: [this.#floored(logarithm, floorOf())], shape: n.shape });
    const gated = matchSilu(n);
    if (gated) return this.push({ op: 'silu', in: [this.#floored(gated, SATURATING.silu!)], shape: n.shape });
    return this.#unmasked(n) ?? scaledLeaf(this, n) ?? foldedGain(this, n);
  }

  /**
   * What is masked and then multiplied by something of the caller's, such as 0 where it is masked: the mask is
   * multiplied here.
   */
  #unmasked(n: SecretNode): number | undefined {
    if ((n.op !== 'mul' && n.op !== 'div' && n.op !== 'select') || this.#bare.has(n) || !traitsOf(n).far)
      return undefined;
    const { scores, addend } = addendOf(n);
    if (!addend || !scores || scores === n) return undefined;
    this.#bare.add(scores);
    return this.push({ op: 'add', in: [this.node(scores), this.own(addend)], shape: n.shape });
  }

  /** A value whose masks and biases, wherever they were added, end at the floor. */
  #floored(x: SecretNode, floor: Floor, farFrom = floor.weights ? FAR_BELOW_SOFTMAX : undefined): number {
    const { scores, addend } = addendOf(x, farFrom);
    if (!addend) return this.node(floored(x, floor));
    const { far } = traitsOf(addend);
    // A difference of values stays one, for comparisons need all that it can reach
    if (!far && (!scores || (!floor.weights && x.op === 'sub'))) return this.node(x);
    // What nobody said is a mask stays what it is where it can
    const attrs = floor.weights || far ? floor : { ...floor, from: LEAST };
    if (!scores) return this.own(passing('floorRows', [addend], addend.shape, { ...attrs, open: 0 }));
    const open = floor.shifts ? this.#openRows(x, scores, addend) : undefined;
    const shared = this.own(
      passing('floorRows', [addend], addend.shape, { ...attrs, ...(open && { open: 0, zeroed: true }) }),
    );
    return this.push({ op: 'add', in: [this.node(open ?? floored(scores, floor)), shared], shape: x.shape });
  }

  /**
   * Scores of which rows that are masked altogether are 0. In float32 the mask swallows them, and the answer is that of
   * equal scores. What masks keys is the same for all rows, of which some one is read: there it is refused instead.
   */
  #openRows(x: SecretNode, scores: SecretNode, addend: SecretNode): SecretNode | undefined {
    const { far, alike } = traitsOf(addend);
    const rows = (n: SecretNode) => n.shape.at(-2) ?? 1;
    if (!far || addend.shape.length < 2 || rows(addend) !== rows(x) || (alike && rows(x) > 1)) return undefined;
    const open = passing('openRows', [addend], [...addend.shape.slice(0, -1), 1]);
    // A public mask that leaves all rows something needs no product
    if (!youngestOf(open) && plaintextOf(open).every((v) => v === 1)) return scores;
    return passing('mul', [scores, open], x.shape);
  }

  #softmax(n: SecretNode, x: SecretNode): number {
    const { quadratic, maskFloor, shiftable } = suiteOf(this.suite);
    if (!quadratic)
      return this.push({ op: 'softmax', in: [this.#floored(x, floorOf(maskFloor, shiftable))], shape: n.shape });
    warnOfQuad(this.suite);
    const { scores, addend } = addendOf(x, FAR_BELOW_SOFTMAX);
    if (!addend || (!scores && x.op !== 'add' && x.op !== 'sub' && !traitsOf(addend).far))
      return this.push({ op: 'softmax', in: [this.node(x)], shape: n.shape });
    if (!scores) {
      const parts = [
        this.own(passing('biasOnly', [addend], x.shape)),
        this.own(passing('notMasked', [addend], x.shape), 0),
      ];
      return this.push({ op: 'quad', c: QUAD_CONSTANT, in: parts, shape: n.shape });
    }
    const open = this.#openRows(x, scores, addend);
    let from = this.node(open ?? scores);
    if (this.nodes[from]!.shape.join() !== x.shape.join())
      from = this.push({ op: 'broadcast', in: [from], shape: x.shape });
    const attrs = { closed: open !== undefined };
    const mask = this.own(passing('notMasked', [addend], addend.shape, attrs), 0);
    const bias = this.own(passing('biasOnly', [addend], addend.shape, attrs));
    return this.push({ op: 'quad', c: QUAD_CONSTANT, in: [from, mask, bias], shape: n.shape });
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
    if (COMPARING.has(n.op)) return this.#compared(n);
    const floor = n.op === 'topK' ? extremeOf(n.attr<number>('k')) : SATURATING[n.op];
    if (floor)
      return this.push({
        op: n.op,
        in: [this.#floored(n.inputs[0]!, floor)],
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
    let top = this.push({ op: value ? 'max' : 'argMax', in: [this.#floored(x, extremeOf(1))], shape: one });
    if (op === 'min') top = this.push({ op: 'neg', in: [top], shape: one });
    return this.push({ op: 'reshape', in: [top], shape: n.shape });
  }

  /** A comparison with a public number, which of what is masked is taken before its masks end at the floor. */
  #compared(n: SecretNode): number {
    const [name, to] = Object.entries(n.attrs)[0] as [string, number];
    let x = n.inputs[0]!;
    const { far } = traitsOf(x);
    if (!far || Math.abs(to) < FAR_FROM)
      return this.push({
        op: n.op,
        in: [this.#floored(x, SATURATING[n.op]!)],
        shape: n.shape,
        ...n.attrs,
      } as unknown as GraphNode);
    // What a float32 sum of a mask and a score is to such a number depends on how it was rounded
    if (!addendOf(x).addend || (n.op === 'equal' && !isChosen(x))) throw comparedFar(n, to);
    x = passing('sub', [x, passing('constant', [], [], { values: [to] })], x.shape);
    const exactly = Number.NEGATIVE_INFINITY;
    return this.push({
      op: n.op,
      in: [this.#floored(x, SATURATING[n.op]!, exactly)],
      shape: n.shape,
      [name]: 0,
    } as unknown as GraphNode);
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

const COMPARING: ReadonlySet<string> = new Set(['less', 'atMost', 'equal']);

/** Is it chosen by a condition, and only moved since? */
function isChosen(n: SecretNode): boolean {
  return n.op === 'select' || (VIEWS.has(n.op) && n.inputs.length === 1 && isChosen(n.inputs[0]!));
}

function comparedFar(n: SecretNode, to: number): EncodingError {
  return new EncodingError(
    `a comparison of masked values of shape [${n.shape}] with ${to}: which of them are masked follows from secrets, or from how a sum was rounded. ` +
      'Compare the mask itself, or the values before they are masked',
  );
}

let warned = false;

/** Once: a model that was not trained for it answers differently under 2Quad. */
function warnOfQuad(suite: string): void {
  if (warned) return;
  warned = true;
  console.warn(
    `secformer: suite '${suite}' computes softmax as 2Quad, (s+5)²/Σ(s+5)²; use it with models trained that way, or suite 'exact'`,
  );
}
