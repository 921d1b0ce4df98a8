/** One section of the codes in error-codes.js. */

/** @type {import('./error-codes.js').ErrorSection} */
export const valuesCodes = {
  title: 'Values and models',
  about: 'Refused in your own process, most of them before the nodes hear of the read.',
  codes: [
    {
      code: 'VALUE_OUT_OF_RANGE',
      means:
        'A value is not finite, or larger in size than fixed point holds (16,384 in what you write), or a public ' +
        'number leaves nothing right, such as a factor of 1e-20. The message names the tensor or the operation; ' +
        'the class is `EncodingError`.',
      remedy:
        'Scale the values, or clip them, before they meet a secret. `calibrate` finds where a model needs more ' +
        'room; see [Ranges](../README.md#ranges).',
    },
    {
      code: 'VALUE_TOO_SMALL',
      means: 'No value of a tensor that is multiplied is as large as 6e-5: 16 fractional bits leave nothing of it.',
      remedy: 'Multiply the tensor by a power of two before the product, and the product by its inverse.',
    },
    {
      code: 'RANGE_LEFT',
      means:
        'Values left the range that a protocol holds while the nodes computed, so what was read would be wrong. ' +
        'The message names the first operations concerned and what they hold.',
      remedy:
        'Scale or clip what goes into the operation named, or run `calibrate` on samples. Where the wrong values ' +
        "do not matter, `configure({ onRange: 'warn' })`.",
    },
    {
      code: 'MASK_REFUSED',
      means:
        'A mask leaves too little of a row open (nothing, or fewer places than `topK` takes), or an integer mask ' +
        'of a 2Quad holds something besides zeros and ones.',
      remedy: 'Leave the places that the message names open in each row, and do not read rows that mean nothing.',
    },
    {
      code: 'UNSUPPORTED_KERNEL',
      means:
        'A TensorFlow.js kernel has no protocol on secret shares, or not with these arguments; training takes ' +
        'some that have none. The class is `UnsupportedKernelError`.',
      remedy:
        "Compute it before `setBackend('secformer')`, on what `data()` returned, or on int32 tensors, which stay " +
        'local. The message says which of these fits.',
    },
    {
      code: 'SHAPE_NOT_PUBLIC',
      means:
        'A tensor whose shape was computed from values that are not public (`tf.unique`, a non-maximum ' +
        'suppression) meets a secret: the nodes would see that shape.',
      remedy: 'Pad it to a fixed length and write it again, or declare it with `asPublic`.',
    },
    {
      code: 'NOT_PUBLIC',
      means: 'A kernel needs the values of a tensor as part of the program, and the tensor is not public.',
      remedy: 'If the nodes may know it, pass it to `asPublic` first.',
    },
    {
      code: 'NOT_PLAIN',
      means:
        'Plaintext was asked for where there is none: `asPublic` of a computed tensor or of one that has been ' +
        'used, `calibrate` or `whatNodesSee` of what an earlier read left at the nodes.',
      remedy: 'Call it on tensors that you wrote, before the first read that uses them.',
    },
    {
      code: 'TENSOR_DISPOSED',
      means: '`asPublic`, `prepare` or `share` was given a tensor that has been disposed of.',
      remedy: 'Keep it with `tf.keep`, or call them outside `tf.tidy`.',
    },
    {
      code: 'WRONG_BACKEND',
      means: 'A function of this backend was called while another one is active.',
      remedy: "`await tf.setBackend('secformer')` first, and look at what it returns.",
    },
    {
      code: 'NO_SYNC_READ',
      means: 'In a browser nothing can wait for the nodes: `dataSync`, `arraySync` and `print` of a secret need that.',
      remedy: '`await tensor.data()` or `await tensor.array()`.',
    },
    {
      code: 'LOOKUP_UNPLACED',
      means:
        'The ids of one lookup find no place in the buckets of its table: fewer than one in 2^89 sets of ids, for ' +
        'the buckets are drawn anew by each session.',
      remedy: 'Look the ids up in two parts.',
    },
    {
      code: 'BAD_PROGRAM',
      means:
        'A graph or program does not fit: a shape, a modulus, a range that no protocol holds, more of a kind than ' +
        'one program may have. Nodes refuse such a program too. The class is `ProgramError`.',
      remedy:
        'From `calibrate`: the message names the operation whose range is too wide; scale its operands. From a ' +
        'read of ordinary TensorFlow.js code it is a fault of this project: please report it.',
    },
  ],
};
