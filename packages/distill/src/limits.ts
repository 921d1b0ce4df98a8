/** What bounds a training, with the reason. */

/** Examples of a data file: GLUE's largest, MNLI, has 393 thousand; what has more is no file of a task. */
export const MAX_EXAMPLES = 2_000_000;

/** Bytes of a data file: two million pairs of 256 characters. */
export const MAX_DATA_BYTES = 2 ** 30;

/** Columns of a line: STS-B has ten. */
export const MAX_COLUMNS = 64;

/**
 * Steps of a training: two weeks of one step a second are 1.2 million; the record has some 350 characters of each, and
 * a text of more than 536 million cannot be made.
 */
export const MAX_STEPS = 1_000_000;

/** Dropout: where more is dropped, what is left is made a hundred times as large, and little is learnt. */
export const MAX_DROPOUT = 0.99;

/** Texts of a batch: gradients of more are worth no more, and its activations would not fit. */
export const MAX_BATCH = 4096;

/** Saved states that are kept: the newest, and the one before it, should the newest be damaged. */
export const KEPT_STATES = 2;

/** Points of a plotted curve: as many as a plot has columns of pixels. */
export const PLOTTED = 800;

/** Batches that are drawn together and sorted by length: of 32, SST-2's are filled up to 18 tokens, else to 44. */
export const SORTED_BATCHES = 32;

/** Lengths are filled up to a multiple of this: fewer shapes, each with its buffers, for a little padding. */
export const LENGTH_STEP = 8;

/**
 * How much a fitted projection is kept from growing, as a part of its features' mean square. It hardly matters: of a
 * MiniLM's 2Quad student, fitted by 2,048 texts of CoLA, logits of the development set are 0.212 from the teacher's
 * (mean square) with 0.001, 0.207 with 0.03 and 0.206 with 0.1.
 */
export const RIDGE = 0.03;

/** Texts that attention is fitted by: three states of each are in memory, 20 GB of this many of BERT-base. */
export const MAX_FITTED = 32_768;

/**
 * Arguments of attention's functions that protocols hold on shares; beyond, an answer is refused (RANGE_LEFT). Those of
 * `2quad` are squared and summed up, those of `cgf` exponents, those of `power` raised to 2 or 4; docs/costs.md has
 * each.
 */
export const HELD = { softmax: Number.POSITIVE_INFINITY, '2quad': 2048, cgf: 9.7, power: 128 } as const;

/** The same of `power` where they are raised to nothing. */
export const HELD_OF_FIRST_POWER = 512;
