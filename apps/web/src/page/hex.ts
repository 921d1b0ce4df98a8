/** Bytes as people look at them. */
import { made } from './elements.js';

export function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** How many of the bytes stand in the other at the same place, of those that both have. */
export function alike(a: Uint8Array, b: Uint8Array): { same: number; of: number } {
  const of = Math.min(a.length, b.length);
  let same = 0;
  for (let i = 0; i < of; i++) if (a[i] === b[i]) same++;
  return { same, of };
}

/**
 * @param shown how many of the bytes
 * @param total how many there are, of which these are the first
 * @param other those that are the same here are marked
 */
export function hexBlock(bytes: Uint8Array, shown: number, total: number, other?: Uint8Array): HTMLElement {
  const block = made('p', 'hex');
  const first = bytes.subarray(0, shown);
  let plain = '';
  first.forEach((byte, i) => {
    if (other && other[i] === byte) {
      block.append(plain, made('mark', '', hexOf(byte)), ' ');
      plain = '';
    } else plain += `${hexOf(byte)} `;
  });
  block.append(plain);
  const left = total - first.length;
  if (left > 0) block.append(made('span', 'left', `and ${left.toLocaleString('en')} more`));
  return block;
}
