export { Arena, scratch, scratchBytes, zeros } from './arena.js';
export * from './errors.js';
export * from './fixed-point.js';
export type * from './kernels.js';
export * from './layout.js';
export { availableKernels, loadKernels } from './load.js';
export * from './share.js';
export * from './streams.js';
export * from './words.js';
