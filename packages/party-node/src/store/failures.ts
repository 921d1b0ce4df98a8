/** What can be wrong with a store, as the errors that a node reports. No path of the disk is in those that travel. */
import { NodeError, type NodeName } from '../errors.js';

/** The code of an error of the system, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** A stored model is not what was written; the store adds whose it is. */
export class Damage extends Error {}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const FORBIDDEN = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Why something could not be read, for a person. */
export function whyDamaged(error: unknown): string {
  if (error instanceof Damage) return error.message;
  if (error instanceof NodeError) return 'its manifest, Programs or assets are not what its publisher has signed';
  const code = systemCode(error);
  if (code === undefined) throw error;
  return FORBIDDEN.has(code) ? `this process may not read it (${code})` : `it cannot be read (${code})`;
}

/** A model that is there and cannot be used. @param model as in `sst2@1` */
export function damaged(node: NodeName, model: string, cause: unknown): NodeError {
  // An array that there is no memory for
  if (cause instanceof RangeError)
    return new NodeError(node, 'LIMIT_EXCEEDED', `has no memory left for ${model}`, { cause });
  const why = whyDamaged(cause);
  const remedy = 'restore its folder from a copy of this store, or unpublish and publish it again';
  return new NodeError(node, 'MODEL_DAMAGED', `${model} cannot be used: ${why}; ${remedy}`, { cause });
}

/** A disk that could not be used. @param what was tried, as in `store sst2@1` */
export function notWritten(node: NodeName, what: string, cause: unknown): NodeError {
  if (cause instanceof NodeError) return cause;
  const code = systemCode(cause);
  if (code === undefined)
    return new NodeError(node, 'RUN_FAILED', `could not ${what}: ${(cause as Error).message}`, { cause });
  if (FULL.has(code))
    return new NodeError(
      node,
      'LIMIT_EXCEEDED',
      `cannot ${what}: its disk is full (${code}); make room on it, or unpublish models that nobody asks`,
      { cause },
    );
  const advice = FORBIDDEN.has(code)
    ? 'the folder of models must be writable for its process'
    : 'look at the disk of its models';
  return new NodeError(node, 'BAD_CONFIGURATION', `cannot ${what} (${code}); ${advice}`, { cause });
}
