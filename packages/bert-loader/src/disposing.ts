/// <reference lib="esnext.disposable" preserve="true" />

/**
 * The keys of the methods that `using` and `await using` call at a block's end. Browsers that have no such symbols yet
 * have methods under those that `Symbol.for` gives, which is what polyfills take.
 */
export const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose');
/** The same of `await using` alone. */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
