/** A model folder that cannot be used: the message names the file, and the tensor or field in it. */
export class ModelFileError extends Error {
  readonly code = 'BAD_MODEL_FILE';
  readonly file: string;
  constructor(file: string, what: string, options?: { cause?: unknown }) {
    super(`${file}: ${what}`, options);
    this.name = 'ModelFileError';
    this.file = file;
  }
}

/** A question to a model whose checkpoint has nothing to answer it. */
export class NoHeadError extends Error {
  readonly code = 'NO_SUCH_HEAD';
  constructor(what: string) {
    super(what);
    this.name = 'NoHeadError';
  }
}
