/** What a Program may ask of a node: everything that bounds memory or time, checked before anything is allocated. */
export const programLimits = {
  /**
   * BERT-large compiles to 5,000 to 20,000 instructions, by suite; a node checks ten times as many in a few seconds.
   */
  instructions: 200_000,
  /** Inputs: the weights of a model and what its user sends. */
  inputs: 20_000,
  /** Elements of one value: a 30,522 × 1,024 table or 16 × 512 × 512 × 16 scores, with room; 2 GiB of words. */
  elements: 2 ** 28,
  /** Numbers in public constants; they travel as JSON. */
  constants: 2 ** 22,
  /** Lists of numbers in public constants. */
  constantLists: 65_536,
  /** Bytes of a Program's JSON text. BERT-large's has two million; constants may take sixteen a number. */
  bytes: 64 * 2 ** 20,
  /** Values in the text, numbers mostly: they are counted before any is made. All constants, and as much again. */
  values: 2 ** 23,
  /** Names of values in the text, some twelve an instruction: each may be another string. */
  names: 2_400_000,
  /** Lists in the text, as many again: one takes some hundred bytes, however short. */
  lists: 2_400_000,
  /** Operands of one instruction: parts that `concat` joins. */
  operands: 4096,
  /**
   * A round's frame; what opens more takes more rounds, as the weights of a model do the first time. It is held four
   * times over while it is exchanged.
   */
  roundBytes: 64 * 2 ** 20,
  /**
   * Planes of bits of one value, thresholds of a comparison mostly: 64 and the one more that their intervals have.
   * `oneHot` adds one each time it is applied.
   */
  planes: 65,
  /** Values that are revealed: each is re-shared by itself, the same one again as well. */
  outputs: 16_384,
  /** Values that stay at the nodes: openings of a model's weights, of some two widths. */
  keeps: 40_000,
  /**
   * Bytes of all outputs: a party holds them beside everything else until its client has taken them. Hidden states of
   * 16 × 512 tokens of BERT-large take 50 MB.
   */
  outputBytes: 2 ** 30,
  /**
   * Multiply-adds of one instruction, or what takes as long: a kernel is not interrupted. The lookup of 16 × 512 tokens
   * in BERT-large's table of 30,522 rows has 2^37.9, its largest product of hidden states 2^35.
   */
  instructionWork: 2 ** 38,
  /** Multiply-adds of all instructions: BERT-large on 16 × 512 tokens takes 2^42. */
  work: 2 ** 44,
  /**
   * Elements of a tensor that are opened by its owner, or taken so by a node, before messages are looked at: below a
   * millisecond, in which they stay in the cache. A power of two of at least 512, so that a slice of any width is whole
   * blocks of a stream.
   */
  sliceWords: 2 ** 16,
  /** Names of logical operations: a result lists what each of them took, in the header of one message. */
  tags: 256,
} as const;
