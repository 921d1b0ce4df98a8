/** Limits of the backend, each with its reason. */

/** Results kept with one tensor of the caller's, so that a loop of ever new computations on it does not fill memory. */
export const DERIVED_OF_ONE = 64;
