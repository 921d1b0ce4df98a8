/** From nodes to instructions: which composition or protocol computes each operation of a graph. */
import { maxWithIndex } from '../compose/arg-max.js';
import type { Emitter } from '../compose/emitter.js';
import { MAGNITUDE } from '../compose/formats.js';
import { oneHotOf } from '../compose/one-hot.js';
import { prelu } from '../compose/piecewise.js';
import { logSoftmax } from '../compose/softmax.js';
import { topK } from '../compose/top-k.js';
import { type Bounds, boundsOf } from '../graph/bounds.js';
import type { ElementwiseOp } from '../graph/functions.js';
import { type Graph, type GraphNode, parametersOf } from '../graph/graph.js';
import { check, sizeOf } from '../instruction/types.js';
import type { Suite } from '../suites/suite.js';
import { Arithmetic } from './arithmetic.js';
import { quadWeights, weights } from './attention.js';
import type { Inputs } from './inputs.js';
import { type Lowered, LoweredNodes } from './lowered.js';
import { type Products, product } from './products.js';
import { multipliedByPublic } from './public.js';
import { claimedMagnitude, type NodeRanges } from './ranges.js';
import { type Scores, scoreProducts } from './scores.js';
import { SELECTING } from './selected.js';
import { notNegative } from './sign.js';

/** Operations whose results claim the range that calibration has seen: the others know theirs. */
const ARITHMETIC = new Set(['add', 'sub', 'mul', 'div', 'matMul', 'square', 'sum', 'cumSum', 'prelu']);

/** Lowers all nodes of a graph, in their order. */
export class Lowering {
  readonly #nodes: LoweredNodes;
  readonly #arithmetic: Arithmetic;
  readonly #products: Products;
  readonly #ranges: NodeRanges | undefined;
  /** products of matrices that are scores */
  readonly #scores: ReadonlyMap<GraphNode, Scores>;
  /** of every node, where secret indices are used */
  readonly #bounds: readonly (Bounds | undefined)[];

  constructor(
    emitter: Emitter,
    graph: Graph,
    suite: Suite,
    inputs: Inputs,
    ranges: NodeRanges | undefined,
    salt: number,
  ) {
    const isPublic = (v: number | undefined) => v !== undefined && emitter.type(v).kind === 'public';
    this.#nodes = new LoweredNodes(emitter, graph, suite, multipliedByPublic(graph, inputs.values.map(isPublic)));
    this.#arithmetic = new Arithmetic(this.#nodes);
    this.#products = { hits: inputs.hits, salt };
    this.#ranges = ranges;
    this.#scores = scoreProducts(graph);
    this.#bounds = graph.nodes.some((n) => n.op === 'oneHotOf') ? boundsOf(graph) : [];
    graph.nodes.forEach((node, i) => {
      const given = inputs.values[i];
      if (given !== undefined) {
        this.#nodes.push({ value: given });
        return;
      }
      emitter.builder.tag = node.op;
      if (emitter.watch) emitter.watch.node = i;
      const seen = ranges?.[i];
      const lowered = this.#claimed(node, seen ? claimedMagnitude(seen) : undefined);
      this.#nodes.push(lowered);
      if ('value' in lowered && lowered.value !== undefined) {
        const { shape } = emitter.type(lowered.value);
        check(
          shape.join() === node.shape.join(),
          () => `node ${i} (${node.op}) has shape [${shape}], the graph says [${node.shape}]`,
        );
      }
    });
    emitter.builder.tag = 'output';
  }

  /** A node's value as a share. */
  share(i: number): number {
    return this.#nodes.share(i);
  }

  /** Lowers a node whose results are known to stay below 2^magnitude. */
  #claimed(node: GraphNode, magnitude: number | undefined): Lowered {
    const e = this.#nodes.emitter;
    if (magnitude === undefined || !ARITHMETIC.has(node.op)) return this.#lower(node);
    e.limit = Math.max(MAGNITUDE, magnitude);
    const lowered = this.#lower(node);
    e.limit = MAGNITUDE;
    if (!('value' in lowered) || lowered.value === undefined || e.type(lowered.value).kind !== 'share') return lowered;
    return { value: e.claim(lowered.value, magnitude) };
  }

  #lower(node: GraphNode): Lowered {
    const e = this.#nodes.emitter;
    const x = () => this.#nodes.share(node.in[0]!);
    // A view of a public tensor is one
    const viewed = () => this.#nodes.public(node.in[0]!) ?? x();
    const y = () => this.#nodes.share(node.in[1]!);
    switch (node.op) {
      case 'constant':
        return { constant: node.values };
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
        return { value: this.#arithmetic.lower(node) };
      case 'square':
        return { value: e.square(this.#nodes.share(this.#arithmetic.squared(node.in[0]!))) };
      case 'rsqrt':
      case 'sqrt':
      case 'log':
      case 'reciprocal':
        return { value: this.#arithmetic.ofPositive(node.op, node.in[0]!) };
      case 'prelu':
        return { value: e.reach.over(x(), (v) => prelu(e, v, y())) };
      case 'gelu':
        return { value: this.#nodes.suite.gelu(e, x(), node.form) };
      case 'softmax':
        return weights(this.#nodes.suite.softmax(e, x(), node.fewRounds, this.#nodes.isCarried));
      case 'quad':
        return quadWeights(this.#nodes, node, this.#ranges);
      case 'logSoftmax':
        return { value: logSoftmax(e, x()) };
      case 'layerNorm':
        return { value: this.#nodes.suite.layerNorm(e, x(), node.epsilon, node.centred, this.#nodes.isCarried) };
      case 'matMul':
        return { value: product(this.#nodes, node, this.#products, this.#scores.get(node)) };
      case 'reshape':
        return { value: e.reshape(viewed(), node.shape) };
      case 'transpose':
        return { value: e.transpose(viewed(), node.perm) };
      case 'slice':
        return { value: e.slice(viewed(), node.begin, node.shape, node.strides) };
      case 'view':
        return { value: e.view(viewed(), node.shape, node.strides, node.offset) };
      case 'pick':
        return { value: e.pick(x(), node.indices, node.shape) };
      case 'broadcast':
        return { value: e.broadcast(viewed(), node.shape) };
      case 'concat':
        return {
          value: e.concat(
            node.in.map((i) => this.#nodes.share(i)),
            node.axis,
          ),
        };
      case 'sum': {
        const terms = sizeOf(node.axes.map((a) => this.#nodes.shapeOf(node.in[0]!)[a]!));
        return { value: e.sum(node.small ? x() : this.#arithmetic.summable(x(), terms), node.axes) };
      }
      case 'max':
      case 'argMax': {
        const positive = notNegative(this.#nodes.graph, node.in[0]!);
        if (node.op === 'max') return { value: e.reach.over(x(), (v) => maxWithIndex(e, v, false, positive).max) };
        return { value: e.reach.over(x(), (v) => maxWithIndex(e, v, true, positive).index!) };
      }
      case 'oneHotOf':
        return { value: oneHotOf(e, this.#nodes.suite, x(), node.depth, this.#bounds[node.in[0]!]) };
      case 'topK': {
        const { values, indices } = topK(e, x(), node.k);
        return { value: node.index ? indices : values };
      }
      case 'cumSum':
        return { value: e.cumSum(this.#arithmetic.summable(x(), node.shape.at(-1)!), node.exclusive, node.reverse) };
      default: {
        const simple = this.#nodes.suite.elementwise[node.op as ElementwiseOp];
        check(simple !== undefined, () => `there is no operation '${node.op}'`);
        const emit = (v: number) => simple.emit(e, v, parametersOf(node));
        return { value: SELECTING.has(node.op) ? e.reach.over(x(), emit) : emit(x()) };
      }
    }
  }
}
