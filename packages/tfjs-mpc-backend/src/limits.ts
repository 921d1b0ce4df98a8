/** Limits of the backend, each with its reason. */

/** Results kept with one tensor of the caller's, so that a loop of ever new computations on it does not fill memory. */
export const DERIVED_OF_ONE = 64;

/** Together they may take so many times what the tensor takes, … */
export const DERIVED_TIMES = 4;

/** … or a tensor of so many elements, if it is smaller: a megabyte with its values. */
export const DERIVED_SMALL = 2 ** 17;

/** dataSync gives up after this: twice what BERT-large takes on two cores. */
export const SYNC_TIMEOUT_MS = 600_000;
