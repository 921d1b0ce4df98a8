import type { Emitter } from '../compose/emitter.js';
import type { Graph } from '../graph/graph.js';
import type { Shape } from '../instruction/types.js';

/** An operation of a graph whose values are watched for leaving the domain of its protocol. */
export interface Watched {
  op: string;
  shape: Shape;
  /** its number in the graph */
  node: number;
  /** the last of those that are watched together with it, in a graph of more than can be told apart */
  upTo?: number;
}

/** Digests of a Program, five bytes each: BERT-large has some two hundred operations that are watched. */
const MOST = 1024;

/**
 * Emits a digest of what is watched of each operation, or of some that follow one another.
 * @param origin of each node of the graph its number in the one that was asked for
 */
export function digests(e: Emitter, { nodes }: Graph, origin: readonly number[]): { value: number; check: Watched }[] {
  const all = e.watch?.operations ?? [];
  const size = Math.ceil(all.length / MOST);
  return Array.from({ length: size && Math.ceil(all.length / size) }, (_, i) => {
    const together = all.slice(i * size, (i + 1) * size);
    const [first, last] = [together[0]![0], together.at(-1)![0]];
    const { op, shape } = nodes[first]!;
    e.builder.tag = op;
    const value = e.emit(
      'digest',
      together.flatMap(([, bits]) => bits),
    );
    return { value, check: { op, shape, node: origin[first]!, ...(size > 1 && { upTo: origin[last]! }) } };
  });
}
