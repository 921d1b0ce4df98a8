/** The operator of one node who poses as another, with all that it has. */
import { randomBytes } from 'node:crypto';
import { NodeError } from '../../src/index.js';
import { dialSocket } from '../../src/node.js';
import { handshake, nodeName } from '../../src/wire/handshake.js';
import type { Link } from '../../src/wire/link.js';
import type { NodeRole, Tokens, WireRole } from '../../src/wire/tokens.js';

export interface Posed {
  /** what the node said, 'PROVEN' if it took the attacker for whom it posed as */
  code: string;
  why: string;
  ms: number;
  /** frames of anything but the handshake that came over the link, until it was closed */
  seen: Uint8Array[];
  link?: Link;
}

/** Dials a node as somebody, with tokens. @param process as which process; another one if absent */
export async function pose(
  url: string,
  to: NodeRole,
  as: WireRole,
  tokens: Tokens,
  process = randomBytes(16).toString('hex'),
): Promise<Posed> {
  const start = performance.now();
  const link = await dialSocket(url, nodeName[to]);
  const seen: Uint8Array[] = [];
  try {
    await handshake(link, {
      mine: as,
      process,
      tokens,
      side: 'dial',
      expect: to,
      ready: () => {
        link.onFrame = (frame) => void seen.push(frame.slice());
      },
    });
    return { code: 'PROVEN', why: '', ms: performance.now() - start, seen, link };
  } catch (error) {
    const { code, message } = error as NodeError;
    return { code: error instanceof NodeError ? code : 'ERROR', why: message, ms: performance.now() - start, seen };
  }
}
