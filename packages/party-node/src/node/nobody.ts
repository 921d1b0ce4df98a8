/** In whose name a node prepares runs that nobody has asked for yet. */
import type { NodeName } from '../errors.js';
import { MessageLink } from '../wire/framing.js';
import type { Link } from '../wire/link.js';
import { Account, type Budget } from './budget.js';
import { NodeSession } from './session.js';
import { Subject } from './subject.js';

/** The same at all three nodes, which compare it. */
const ID = '0'.repeat(32);

/** A link with nobody at its other end. */
class Nowhere implements Link {
  onFrame: Link['onFrame'] = () => {};
  onClose: Link['onClose'] = () => {};
  async send(): Promise<void> {}
  close(): void {}
}

/** @param bytes that its runs may take */
export function nobody(budget: Budget, node: NodeName, bytes: number): NodeSession {
  const link = new MessageLink(new Nowhere(), () => 'client');
  return new NodeSession(ID, link, budget, node, { kind: 'owner' }, new Subject(new Account(bytes)));
}
