/** Why a request is not answered: a status, a code and a message, which each interface says in its own form. */
import { printable } from '../terminal.js';
import { limits } from './limits.js';

/** A request that is refused. Its message holds nothing of the request's texts or numbers. */
export class Refusal extends Error {
  /** of HTTP */
  readonly status: number;
  /** of an error of the nodes, its own; else what it is, such as 'bad_request' */
  readonly code: string;
  /** milliseconds after which the same request is worth while */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export const badRequest = (message: string) => new Refusal(400, 'bad_request', message);
export const tooLarge = (message: string) => new Refusal(413, 'too_large', message);
export const notFound = (message: string) => new Refusal(404, 'not_found', message);
/** The model does not do what is asked, whatever the input. */
export const notThisModel = (message: string) => new Refusal(424, 'not_this_model', message);
export const gone = () => new Refusal(499, 'gone', 'the client has closed its connection');
export const late = (ms: number) =>
  new Refusal(504, 'timeout', `no answer within ${ms / 1000} s; send fewer inputs at a time, or try again later`);

/** Statuses of what the nodes and the backend refuse; what is not here is the service's failure. */
const STATUS: Readonly<Record<string, number>> = {
  BUSY: 429,
  QUOTA_SPENT: 429,
  GAVE_WAY: 429,
  TOO_MANY_CONNECTIONS: 503,
  UNREACHABLE: 503,
  LINK_CLOSED: 503,
  TENSOR_LOST: 503,
  MODEL_DAMAGED: 503,
  NO_PROGRESS: 504,
  NOT_AUTHENTICATED: 401,
  GRANT_REFUSED: 403,
  NOT_ALLOWED: 403,
  MODEL_UNKNOWN: 404,
  LIMIT_EXCEEDED: 413,
  INPUT_REFUSED: 422,
  MASK_REFUSED: 422,
  VALUE_OUT_OF_RANGE: 422,
  VALUE_TOO_SMALL: 422,
  RANGE_LEFT: 422,
  SHAPES_NOT_PUBLISHED: 422,
};

/** What a client that is told to come again is told. */
const AGAIN: readonly number[] = [429, 503, 504];

interface Thrown {
  name?: string;
  message?: string;
  code?: string;
  statusCode?: number;
  validation?: unknown;
  retryAfterMs?: number;
  stack?: string;
}

/**
 * Any error as a refusal.
 * @param report hears of an error that nobody expected: its kind and where it was thrown, and no message, which might
 *   hold what a client sent
 */
export function refusalOf(error: unknown, report: (line: string) => void): Refusal {
  if (error instanceof Refusal) return error;
  const { name, message = '', code, statusCode, validation, retryAfterMs, stack } = (error ?? {}) as Thrown;
  if (validation !== undefined) return badRequest(message);
  // What the HTTP server refuses by itself: a body that is too long, or no JSON
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Refusal(statusCode, statusCode === 413 ? 'too_large' : 'bad_request', message);
  const status = code === undefined ? undefined : STATUS[code];
  const text = `${printable(message.replaceAll(/\s*\n\s*/g, ' '))} (${code})`;
  if (code !== undefined && status !== undefined)
    return new Refusal(status, code, text, AGAIN.includes(status) ? (retryAfterMs ?? limits.retryMs) : undefined);
  // Messages of the project's own errors hold no values
  if (['NodeError', 'SecformerError'].includes(name ?? '') && code !== undefined)
    return new Refusal(502, code, text, retryAfterMs);
  const where = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  report(`a request failed: ${code ?? name ?? 'an unknown error'}${where.length > 0 ? `\n${where.join('\n')}` : ''}`);
  return new Refusal(500, 'failed', 'the proxy failed at this request; its standard error says where');
}

/** Seconds of the header Retry-After. */
export function retryAfter({ retryAfterMs }: Refusal): string | undefined {
  return retryAfterMs === undefined ? undefined : String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
}
