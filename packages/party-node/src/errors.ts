import { SecformerError } from '@secformer/ring';

/** Whose failure an error is. */
export type NodeName = 'party 0' | 'party 1' | 'dealer' | 'client';

/** What kind of failure it is. Codes are stable, messages are not. */
export type NodeErrorCode =
  | 'LINK_CLOSED'
  | 'NO_PROGRESS'
  | 'UNREACHABLE'
  | 'BAD_MESSAGE'
  | 'BAD_FRAME'
  | 'VERSION_MISMATCH'
  | 'NOT_AUTHENTICATED'
  | 'ALREADY_CONNECTED'
  | 'TOO_MANY_CONNECTIONS'
  | 'BUSY'
  | 'GAVE_WAY'
  | 'TENSOR_LOST'
  | 'LIMIT_EXCEEDED'
  | 'RUN_FAILED'
  | 'BAD_CONFIGURATION'
  | 'INPUT_REFUSED'
  | 'GRANT_REFUSED'
  | 'NOT_ALLOWED'
  | 'MODEL_UNKNOWN'
  | 'MODEL_EXISTS'
  | 'MODEL_DAMAGED'
  | 'QUOTA_SPENT';

/** Longest text and code of an error that travels: a header has room for it whatever the text was made from. */
const TEXT = 1000;
const CODE = 64;

/** A failure that is somebody's: `node` says whose. The message never holds a private value. */
export class NodeError extends SecformerError {
  readonly node: NodeName;
  declare readonly code: NodeErrorCode;
  /** of BUSY and TOO_MANY_CONNECTIONS: milliseconds after which trying again is worth while */
  readonly retryAfterMs: number | undefined;
  constructor(
    node: NodeName,
    code: NodeErrorCode,
    message: string,
    options?: { cause?: unknown; retryAfterMs?: number },
  ) {
    super(code, `${node}: ${message}`, options);
    this.name = 'NodeError';
    this.node = node;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** What travels of an error: its text is written by this project, never by data. */
export interface ErrorReport {
  node: NodeName;
  code: string;
  message: string;
  retryAfterMs?: number;
}

/**
 * An error as it travels, cut to what a header has room for.
 * @param node whose failure it is, where the error does not say so
 */
export function reportOf(error: unknown, node: NodeName): ErrorReport {
  const whose = error instanceof NodeError ? error.node : node;
  const text = error instanceof Error ? error.message : String(error);
  const message = error instanceof NodeError ? text : `${node}: ${text}`;
  const code = error instanceof SecformerError ? error.code : 'RUN_FAILED';
  const after = error instanceof NodeError ? error.retryAfterMs : undefined;
  return {
    node: whose,
    code: code.slice(0, CODE),
    message: cut(message),
    ...(after !== undefined && { retryAfterMs: after }),
  };
}

function cut(text: string): string {
  return text.length <= TEXT ? text : `${text.slice(0, TEXT - 1)}…`;
}

/** The error that a report tells of: the other end of `reportOf`. */
export function errorOf({ node, code, message, retryAfterMs }: ErrorReport): NodeError {
  const text = message.startsWith(`${node}: `) ? message.slice(node.length + 2) : message;
  return new NodeError(node, code as NodeErrorCode, text, retryAfterMs === undefined ? {} : { retryAfterMs });
}
