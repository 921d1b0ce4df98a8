import { check } from '../instruction/types.js';
import { lessThan } from './bits.js';
import { watchPlane } from './domain.js';
import type { Emitter } from './emitter.js';
import { CARRIED_BITS, FRAC_BITS } from './formats.js';
import { inverse } from './inverse.js';

/** Fractional bits of the variance, and the lowest octave of it that is told apart: variance 7e-6. */
const VARIANCE_BITS = 24;
const LOWEST = 7;
/** Bits of 1/(H·σ), as an operand. */
const SCALE_BITS = 26;

/** Sums of rows, and their openings modulo 2^64. */
interface Sums {
  share: number;
  opened: number;
}

function rowSums(e: Emitter, x: number, axis: number): Sums {
  const share = e.sum(e.emit('unwrap', [x]), [axis]);
  const how = { shift: 0, width: 64, offsetLog: -1, share: 'modular', bits: 64 };
  return { share, opened: e.emit('open', [share], how) };
}

/** Bits of Σ(x − mean)² that its range is told from, of 64. */
const SQUARES_BITS = 24;

/**
 * Reports a row whose H²·var has left its 64 bits: with a mean rounded to 16 fractional bits, Σx² − 2·mean·S + H·mean²
 * is Σ(x − mean)², which is H times smaller and has not. Told to 24 bits: all from 2^31/H² on to 2^32/H, none below
 * 0.99 of that. Cost 7 bytes a row, 2 bits a threshold and chunk of them; no round of LayerNorm's more.
 */
function watchVariance(e: Emitter, sums: Sums | undefined, squares: number, h: number): void {
  if (!e.watch) return;
  const room = 63 - 2 * FRAC_BITS;
  const wide = e.guarded(() => {
    if (!sums) return squares;
    const mean = e.factor(e.scale(sums.share, 1 / h));
    const cross = e.times64(e.times(mean, sums.opened, room), -2);
    const own = e.times64(e.emit('square', [mean], { magnitude: room }), h);
    const sum = (a: number, b: number) => e.emit('add', [a, b], { magnitude: room });
    return sum(squares, sum(cross, own));
  });
  const shift = 64 - SQUARES_BITS;
  const how = { shift, width: SQUARES_BITS, offsetLog: -1, share: 'modular', bits: SQUARES_BITS };
  const opened = e.guarded(() => e.emit('open', [wide], how));
  // 2^63/H in units of 2^shift; what it is rounded and truncated by is less than two of them
  const most = Math.floor(2 ** (63 - shift) / h) - 2;
  const hot = e.emit('oneHot', [lessThan(e, opened, 0, SQUARES_BITS, [0, most])]);
  watchPlane(e, hot, 0);
  watchPlane(e, hot, 2);
}

/**
 * (x − mean)/√(var + ε) over the last axis, without gain and bias. No mean is formed:
 *
 *   1. x is truncated by a masked opening (4 bytes), its row sums S opened modulo 2^64                  2 rounds
 *   2. H·Σx² − S² = H²·var at 32 fractional bits, exactly: squares of the one opening, and of S         local
 *   3. truncated to 24 bits of H²·var/2^q, q = ⌈2·log2 H⌉ − 1; 2^p/(H·σ) by octaves of four, p = ⌈log2 H⌉    3 rounds
 *   4. H·(x·that) − S·that: x̂·2^p at 42 bits, by the openings there are                                 local
 *
 * Domain variance 7e-6 to 2^31/H² (3,640 at H = 768), any mean that fits: what a large mean adds cancels modulo 2^64.
 * Error 3e-6 for σ from 0.3 to 60 and means up to 50, 1.2e-4 at σ = 0.03 (the input's own 16 bits). ε is added to the
 * variance: 1e-12 vanishes.
 * Watched, a variance beyond that is reported, and one below unless it is less than 10^-7: then the answer is 0.
 * @param centred the rows' mean is 0 but for rounding: S is, and is not opened; a round less
 * @param carried of centred rows: 1/σ itself is opened, at 17 fractional bits, and x̂ has 33, to be multiplied by a
 *   public tensor before it is truncated. Error of x̂ then 2^−18·σ as well (6e-5 at σ = 16)
 *
 * Cost   4.1 bytes each way an element and 5 rounds. View: openings under masks of their own. Source protocols section
 * 10, an opening as its own operand section 4.
 */
export function layerNorm(e: Emitter, x: number, epsilon: number, centred = false, carried = false): number {
  const h = e.type(x).shape.at(-1)!;
  const last = e.type(x).shape.length - 1;
  check(h >= 2 && h <= 8192, () => `layerNorm over ${h} values; 2 to 8192 are supported`);
  const q = Math.ceil(2 * Math.log2(h)) - 1;
  const p = Math.ceil(Math.log2(h));
  const t = e.share(x);
  const opened = e.factor(t.fracBits < FRAC_BITS ? e.atScale(x, FRAC_BITS) : x);
  // The two squares may pass 2^64 where their difference does not
  const room = 63 - 2 * FRAC_BITS;
  const squares = e.guarded(() => e.sum(e.emit('square', [opened], { magnitude: room, apart: true }), [last]));
  const sums = centred ? undefined : rowSums(e, opened, last);
  watchVariance(e, sums, squares, h);
  const spread = e.guarded(() => {
    const own = e.times64(squares, h);
    if (!sums) return own;
    return e.emit('sub', [own, e.emit('square', [sums.opened], { magnitude: room })], { magnitude: room });
  });
  const shift = 2 * FRAC_BITS + q - VARIANCE_BITS;
  const width = 64 - shift;
  // H²·var/2^q; ε in the same unit, at least one so that a constant row stays in the domain
  const scaled = e.reinterpret(spread, 2 * FRAC_BITS + q, 63 - 2 * FRAC_BITS - q);
  const floor = Math.max(1, Math.round((epsilon * h * h * 2 ** VARIANCE_BITS) / 2 ** q));
  const { fracBits, magnitude: top } = e.share(scaled);
  const safe = e.emit('affine', [scaled], {
    scale: '1',
    offset: String(BigInt(floor) << BigInt(shift)),
    fracBits,
    bits: 64,
    magnitude: top,
  });
  const variance = e.emit('open', [safe], { shift, width, offsetLog: -1, share: 'none', bits: 0 });
  // A row that is constant but for its last bits has no spread to be wrong about
  const least = floor + 2 < 2 ** LOWEST ? [BigInt(floor) + 2n, 1n << BigInt(LOWEST)] : [];
  const range = {
    lo: LOWEST,
    hi: width - 1,
    kind: 'rsqrt',
    factor: sums ? 2 ** (p - q / 2) : h * 2 ** (-q / 2),
  } as const;
  const root = inverse(e, variance, range, { below: least });
  const inverseType = e.share(root);
  const scaleBits = centred && carried ? CARRIED_BITS - FRAC_BITS : SCALE_BITS;
  const scale = e.emit('open', [root], {
    shift: inverseType.fracBits - scaleBits,
    width: scaleBits + inverseType.magnitude + 1,
    offsetLog: -1,
    share: 'lift',
    bits: 64,
    within: [0, 2 ** inverseType.magnitude],
  });
  // |x̂| ≤ √H, and 2^p more before it is read as x̂
  const magnitude = Math.ceil(Math.log2(h) / 2);
  const normal = e.guarded(() => {
    if (!sums) return e.scaled(opened, scale, magnitude);
    const each = e.times64(e.times(opened, scale, 63 - FRAC_BITS - SCALE_BITS), h);
    const mean = e.times(sums.opened, scale, 63 - FRAC_BITS - SCALE_BITS);
    return e.emit('sub', [each, mean], { magnitude: magnitude + p });
  });
  const out = sums ? e.reinterpret(normal, e.share(normal).fracBits + p, magnitude) : normal;
  e.watch?.safe(out);
  return out;
}
