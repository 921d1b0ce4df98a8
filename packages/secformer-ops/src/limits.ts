/** What a Program may ask of a node: everything that bounds memory or time, checked before anything is allocated. */
export const programLimits = {
  /** BERT-large compiles to about 6,000 instructions; a hundredfold is still a small JSON text. */
  instructions: 500_000,
  /** Inputs: the weights of a model and what its user sends. */
  inputs: 20_000,
  /** Elements of one value: a 30,522 × 1,024 table or 16 × 512 × 512 × 16 scores, with room; 2 GiB of words. */
  elements: 2 ** 28,
  /** Numbers in public constants; they travel as JSON. */
  constants: 2 ** 22,
  /** Bytes of a Program's JSON text. */
  bytes: 256 * 2 ** 20,
  /** A round's frame; what opens more takes more rounds, as the weights of a model do the first time. It is held four times over while it is exchanged. */
  roundBytes: 64 * 2 ** 20,
} as const;
