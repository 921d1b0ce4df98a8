import type { Role } from '@secformer/secformer-ops';
import { limits } from '../limits.js';

/** Bytes of memory for what a party of a prepared run draws ahead, and for corrections that wait at P1. */
export interface AheadRoom {
  ahead: number;
  window: number;
}

/**
 * How a party that has `left` bytes stores the randomness of a run whose corrections take `dealer` bytes and whose
 * openings `online`.
 * @param left at least twice the dealer's lead
 */
export function aheadRoom(
  index: Role,
  { dealer, online }: { dealer: number; online: number },
  left: number,
): AheadRoom {
  // Drawn ahead it is 64-bit words, about twice its packed size
  const ahead = Math.min(limits.aheadBytes, 2 * (dealer + online), left - limits.dealerLeadBytes);
  if (index === 0) return { ahead, window: 0 };
  // P1 keeps more of it as it came: what is drawn ahead has used up a quarter of its own size of corrections at least
  return { ahead, window: Math.max(limits.dealerLeadBytes, Math.min(dealer - Math.floor(ahead / 4), left - ahead)) };
}
