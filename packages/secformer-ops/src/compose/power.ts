/**
 * Powers of what is above 0, relu(x)² and relu(x)⁴, and of scores relu(x) itself: attention weights of students that
 * need no exponential, and an activation.
 */
import { intervals, lessThan, onGrid, plane } from './bits.js';
import { bounded, watchPlane } from './domain.js';
import type { Emitter } from './emitter.js';
import { FRAC_BITS, MAGNITUDE } from './formats.js';

/** log2 of the largest x: its square ends where the default range does. */
const LARGEST = 7;
/** Fractional bits of a fourth power, which reaches 2^28. */
const FOURTH_BITS = 14;
/**
 * Scores whose squares or fourth powers are taken are compared at 2^−7, which four chunks and a top bit hold to ±512;
 * others at 2^−11, in chunks of five bits. `bounded` may let pass what is below 512: no comparison is wrong there.
 */
const SCORES = { position: 9, window: 17 } as const;
const FINE_SCORES = { position: 5, window: 21 } as const;

/** The opened bit [x ≥ 0]; where x may be anything of the default range, at full resolution and no more than 2^7. */
function positive(e: Emitter, opened: number, p: 1 | 2 | 4, scores: boolean): number {
  const { width, fracBits } = e.opened(opened);
  const { position, window } = p === 1 ? FINE_SCORES : SCORES;
  const most = Math.min(window, width - position);
  if (scores && (p === 1 || !e.watch)) return intervals(e, opened, position, most, [0], 1, 1, { wide: true });
  // A power of what is larger is wrong, though its comparison with 0 is not
  const less = scores
    ? lessThan(e, opened, position, most, [0, 2 ** (LARGEST + fracBits - position)], { wide: true })
    : lessThan(e, opened, 0, width, onGrid(e, opened, [0, 2 ** LARGEST]));
  const hot = e.emit('oneHot', [less]);
  watchPlane(e, hot, 2);
  return e.emit('openBits', [plane(e, hot, 1)]);
}

/** A square's truncation; what is too large for it is multiplied by an exact 0, or reported. */
function squared(e: Emitter, opened: number, fracBits: number, most: number): number {
  return e.guarded(() => {
    const t = e.opened(opened);
    const square = e.emit('square', [opened], { magnitude: Math.min(2 * t.magnitude, 63 - 2 * t.fracBits) });
    return e.emit('open', [square], {
      shift: e.share(square).fracBits - fracBits,
      width: fracBits + most + 1,
      offsetLog: -1,
      share: 'lift',
      bits: 64,
      within: [0, 2 ** most],
    });
  });
}

/**
 * relu(x + plus)^p; below, x is that. Where p is 1, x is scores.
 *
 *   1. open m of x                                                                     1 round
 *   2. compare with 0; beside that the square, local, is opened to 16 bits, where p is not 1    2 rounds, of scores 1
 *      p = 4: the square of that, local, is opened to 14 bits, beside what follows
 *   3. open the bit, which selects the power                                            1 round
 *
 * Domain x < 2^7, and −x whatever the default range holds; of scores |x| < 2^7. Error 2^−16 of a square; 1.3e-4 of a
 * fourth power, or 4e-5 of itself. Of scores, x from −2^−7 to 0 may count as positive: 2^−14 of a square; where
 * p is 1, x from −2^−11.
 * Watched, x from 2^7 on is reported, of scores −x from 2^9 on and never below 2^8; where p
 * is 1, x likewise, and below that all is right.
 * Cost   about 12 bytes each way an element, 4 rounds, of scores 9 and 3. View: openings under masks of their own.
 * @param scores x is a score of attention: |x| < 2^7 is meant
 */
export function reluPower(e: Emitter, x: number, p: 1 | 2 | 4, plus = 0, scores = false): number {
  // Scores are as fine as the product that they come from, and have no room for more than is claimed of them
  const open = (most?: number) =>
    e.variable(e.addConstant(most === undefined ? x : e.claim(x, most), plus), 2 ** LARGEST, most);
  const opened = scores ? bounded(e, LARGEST + 1, open) : open();
  const power = () => {
    if (p === 1) return opened;
    const square = squared(e, opened, FRAC_BITS, MAGNITUDE);
    return p === 2 ? square : squared(e, square, FOURTH_BITS, 2 * MAGNITUDE);
  };
  return e.emit('bitMultiply', [positive(e, opened, p, scores), power()]);
}
