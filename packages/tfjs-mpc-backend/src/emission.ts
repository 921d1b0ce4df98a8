/** What a rewrite may ask of whoever emits a Graph: see `Compiler`. */
import type { GraphNode, Shape } from '@secformer/secformer-ops';
import type { SecretNode } from './node-values.js';

export interface Emission {
  readonly suite: string;
  readonly nodes: readonly GraphNode[];
  /** what masks were taken out of: they are not looked for there again, for some stay for good, as NaN does */
  readonly bare: WeakSet<SecretNode>;
  /** Is this node needed by one recorded node only? Then a rewrite may change its scale. */
  usedOnce(n: SecretNode): boolean;
  /** How many recorded nodes take this one, each as often as it does. */
  uses(n: SecretNode): number;
  /** Appends a node. @returns its place in the graph, as do the others */
  push(node: GraphNode): number;
  /** A recorded value and all that it takes, each once. */
  node(n: SecretNode): number;
  /** What the caller knows, computed in this process and shared as it came out; public, it is a constant. */
  own(n: SecretNode, fracBits?: number): number;
  /**
   * A changed form of a leaf's plaintext, shared as a tensor of its own; of a public leaf's and of others that are
   * public it is public.
   */
  variant(leaf: SecretNode, key: string, values: () => Float32Array, fracBits?: number, shape?: Shape): number;
}
