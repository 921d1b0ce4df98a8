import { NodeError } from '../errors.js';
import type { BoundInput, MessageOf } from '../wire/messages.js';
import type { RunParts } from './run.js';
import type { NodeSession } from './session.js';

/**
 * A run of a Program of the client's own.
 * @throws NodeError NOT_ALLOWED where the client may only ask published models; BAD_MESSAGE, TENSOR_LOST
 */
export function ownRun(
  session: NodeSession,
  { ticket, program, mode }: MessageOf<'prepare'>,
  inputs: BoundInput[],
): RunParts {
  if (session.principal.kind === 'asker')
    throw new NodeError('client', 'NOT_ALLOWED', 'asked for a program of its own: a grant is for published models');
  const checked = session.program(program);
  session.checkBindings(inputs, checked.program);
  return { ticket, session, checked, inputs, mode };
}
