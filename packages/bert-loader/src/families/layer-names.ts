/** What the tensors of a layer are called, below its number. */
export interface LayerNames {
  query: string;
  key: string;
  value: string;
  output: string;
  norm1: string;
  up: string;
  down: string;
  norm2: string;
}

/** What a layer's constants of its attention function are called, one a head. */
export function constantsOf({ query }: LayerNames): string {
  return `${query.slice(0, query.lastIndexOf('.'))}.constant`;
}
