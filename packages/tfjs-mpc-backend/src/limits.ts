/** Limits of the backend, each with its reason. */

/** Results kept with one tensor of the caller's, so that a loop of ever new computations on it does not fill memory. */
export const DERIVED_OF_ONE = 64;

/** Together they may take so many times what the tensor takes, … */
export const DERIVED_TIMES = 4;

/** … or a tensor of so many elements, if it is smaller: a megabyte with its values. */
export const DERIVED_SMALL = 2 ** 17;

/** dataSync gives up after this: twice what BERT-large takes on two cores. */
export const SYNC_TIMEOUT_MS = 600_000;

/**
 * Round trips between the parties from which on fewer rounds are worth their comparisons: a BERT-base of 128 tokens
 * waits for 66 round trips less and computes 60 to 170 ms longer.
 */
export const WAN_ROUND_TRIP_MS = 2;

/** Steps of a published model's client part: those of a BERT's inputs are a few dozen. */
export const CLIENT_STEPS = 4096;

/** Elements of one value of a client part: a mask of [16, 1, 512, 512] has as many, … */
export const CLIENT_ELEMENTS = 2 ** 22;

/** … of all of them together, which in double precision take a quarter of a gigabyte, … */
export const CLIENT_ELEMENTS_TOGETHER = 2 ** 25;

/** … and elementary steps that it takes: some seconds of one core. */
export const CLIENT_WORK = 2 ** 30;
