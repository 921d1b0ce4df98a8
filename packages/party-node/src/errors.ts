import { SecformerError } from '@secformer/ring';

export type NodeName = 'party 0' | 'party 1' | 'dealer' | 'client';

export type NodeErrorCode =
  | 'LINK_CLOSED'
  | 'NO_PROGRESS'
  | 'UNREACHABLE'
  | 'BAD_MESSAGE'
  | 'BAD_FRAME'
  | 'VERSION_MISMATCH'
  | 'NOT_AUTHENTICATED'
  | 'BUSY'
  | 'GAVE_WAY'
  | 'TENSOR_LOST'
  | 'LIMIT_EXCEEDED'
  | 'RUN_FAILED'
  | 'BAD_CONFIGURATION'
  | 'INPUT_REFUSED';

/** A failure that is somebody's: `node` says whose. The message never holds a private value. */
export class NodeError extends SecformerError {
  readonly node: NodeName;
  declare readonly code: NodeErrorCode;
  constructor(node: NodeName, code: NodeErrorCode, message: string, options?: ErrorOptions) {
    super(code, `${node}: ${message}`, options);
    this.name = 'NodeError';
    this.node = node;
  }
}

/** What travels of an error: its text is written by this project, never by data. */
export interface ErrorReport {
  node: NodeName;
  code: string;
  message: string;
}

export function reportOf(error: unknown, node: NodeName): ErrorReport {
  if (error instanceof NodeError) return { node: error.node, code: error.code, message: error.message };
  if (error instanceof SecformerError) return { node, code: error.code, message: `${node}: ${error.message}` };
  return { node, code: 'RUN_FAILED', message: `${node}: ${error instanceof Error ? error.message : String(error)}` };
}

export function errorOf({ node, code, message }: ErrorReport): NodeError {
  return new NodeError(node, code as NodeErrorCode, message.startsWith(`${node}: `) ? message.slice(node.length + 2) : message);
}
