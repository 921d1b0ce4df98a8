export * from './words';
export * from './pack';
export * from './matmul';
export * from './chacha';
export * from './compare';
export * from './series';

/** First byte of memory that the host may use as scratch. */
export function scratchBase(): usize {
  return (__heap_base + 15) & ~15;
}
