import type { Role } from '@secformer/secformer-ops';
import { limits } from '../limits.js';

/** Bytes of memory for what a party of a prepared run draws ahead, and for corrections that wait at P1. */
export interface AheadRoom {
  ahead: number;
  window: number;
}

/** What a run's corrections and openings take, in bytes. */
interface RunCost {
  dealer: number;
  online: number;
}

/** Drawn ahead, randomness is 64-bit words: about twice its packed size. */
const drawn = ({ dealer, online }: RunCost) => 2 * (dealer + online);

/** How far the dealer may be ahead of P1, in bytes: no further than to the end. */
const lead = ({ dealer }: RunCost) => Math.min(limits.dealerLeadBytes, dealer);

/** The least memory in which the randomness of a run is stored, in bytes. */
export const leastRoom = (cost: RunCost): number => Math.min(2 * limits.dealerLeadBytes, drawn(cost) + lead(cost));

/**
 * How a party that has `left` bytes stores the randomness of a run.
 * @param left at least `leastRoom`
 */
export function aheadRoom(index: Role, cost: RunCost, left: number): AheadRoom {
  const ahead = Math.min(limits.aheadBytes, drawn(cost), left - lead(cost));
  if (index === 0) return { ahead, window: 0 };
  // Where all is drawn ahead, it is as it comes
  if (ahead === drawn(cost)) return { ahead, window: lead(cost) };
  // P1 keeps more of it as it came: what is drawn ahead has used up a quarter of its own size of corrections at least
  return { ahead, window: Math.max(lead(cost), Math.min(cost.dealer - Math.floor(ahead / 4), left - ahead)) };
}
