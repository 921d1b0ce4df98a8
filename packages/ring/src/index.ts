export * from './errors.js';
export * from './fixed-point.js';
export type * from './kernels.js';
export * from './layout.js';
export * from './share.js';
export * from './streams.js';
export { loadKernels } from './wasm-kernels.js';
export * from './words.js';
