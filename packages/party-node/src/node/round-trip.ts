/** How far the other party is: what a round of a run waits for. */
import { limits } from '../limits.js';
import type { Link } from '../wire/link.js';
import type { NodeRole, WireRole } from '../wire/tokens.js';

/** Whether a link is that between the two parties. */
export const isBetweenParties = (mine: NodeRole, theirs: WireRole): boolean =>
  (mine === 'party0' && theirs === 'party1') || (mine === 'party1' && theirs === 'party0');

/**
 * The least of a few round trips over a link, in milliseconds: what delays single ones, such as another process that
 * has the processor, is none of the network's. The transports answer, whatever the nodes compute.
 * @returns undefined where none was answered, or the transport cannot be asked
 */
export async function leastRoundTrip(link: Link): Promise<number | undefined> {
  let least: number | undefined;
  for (let i = 0; i < limits.roundTrips; i++) {
    const ms = await link.roundTrip?.(limits.roundTripMs);
    if (ms === undefined) return least;
    least = Math.min(ms, least ?? ms);
  }
  return least;
}
