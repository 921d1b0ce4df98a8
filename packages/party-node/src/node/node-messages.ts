import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';
import type { NodeRole } from '../wire/tokens.js';

/** What nodes send each other without a payload. */
const BARE: ReadonlySet<Message['t']> = new Set([
  'agree',
  'abort',
  'turn',
  'confirm',
  'credit',
  'kept',
  'pool',
  'ready',
  'computed',
]);

/**
 * Largest payload of a message from another node.
 * @param ofRun the same of what a run's schedule says
 * @throws NodeError BAD_MESSAGE for what nodes do not send each other
 */
export function mostFromNode(
  role: NodeRole,
  m: Message,
  ofRun: (m: MessageOf<'round'> | MessageOf<'material'>) => number,
): number {
  if (BARE.has(m.t)) return 0;
  if (m.t === 'round' || m.t === 'material') return ofRun(m);
  if (m.t === 'have') return limits.listBytes;
  throw new NodeError(nodeName[role], 'BAD_MESSAGE', `sent '${m.t}', which nodes do not send each other`);
}

/**
 * Why a run ends whose nodes have lost one another.
 * @param started whether its client has started it; one that is prepared comes again by itself
 */
export function lostLink(of: NodeName, at: NodeName, why: string, started: boolean): NodeError {
  const after = started ? {} : { retryAfterMs: limits.redialMs };
  return new NodeError(of, 'LINK_CLOSED', `the link from ${at} was lost (${why})`, after);
}
