/**
 * The base of every error this project throws on purpose: a stable `code`, and a message that says what came, what was
 * expected and what to do.
 */
export class SecformerError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SecformerError';
    this.code = code;
  }
}

/**
 * A stream of randomness was asked for twice. The node that sees it stops: the second value would be masked by the
 * first one's mask.
 */
export class StreamReuseError extends SecformerError {
  constructor(message: string) {
    super('STREAM_REUSED', message);
    this.name = 'StreamReuseError';
  }
}

/** A value does not fit the fixed-point range that was chosen for it. */
export class EncodingError extends SecformerError {
  constructor(message: string) {
    super('VALUE_OUT_OF_RANGE', message);
    this.name = 'EncodingError';
  }
}
