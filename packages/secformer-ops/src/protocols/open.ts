import { type Kernels, type LiftedOpening, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, primitive } from '../instruction/primitive.js';
import { StoredOpening } from '../instruction/stored-opening.js';
import { check, describeAll, type OpenedType, offsetOf, type ShareType, sizeOf } from '../instruction/types.js';

/**
 * Opening under a mask, with the drop of low bits that is a truncation.
 *
 *   1. y_i = ((x_i + [i=0](offset·2^s + 2^s − 1)) mod 2^a) >> s         (local: y0 + y1 is the floor or the ceiling of
 *   x/2^s + offset)
 *   2. open m = y + r mod 2^k, r = r0 + r1 from the streams             (one round, k bits each way)
 *   3. share 'lift': y − offset = m − r0 − r1 + 2^k·t − offset, t = ⟦w⟧ if msb m = 1, else ⟦w + msb r⟧, w the carry of
 *   r0 + r1
 *
 * share: 'none' keeps only m; 'source' keeps the operand itself (nothing dropped, no offset); 'modular' keeps y modulo
 * 2^k, and then m is a Beaver opening of y modulo 2^k; 'kept' is the same for a tensor that stays; 'lift' brings y to
 * `bits` bits without the failures of local truncation.
 * Domain k + s ≤ a. Not modular: 0 ≤ x/2^s + offset < 2^(k−1); beyond it the result is off by 2^k with probability
 * (|x/2^s|/2^(k−2) − 1)/2.
 * Error  ≤ 1 unit of the kept bits, mean 0 (the + 2^s − 1 of one side; without it sums of 512 are 0.8 % low).
 * Cost   1 round, k bits each way an element; dealer 2(bits − k) bits an element for 'lift'.
 * View   a party sees m, uniform because it knows only its half of r; the dealer sees nothing.
 * Source Catrina and Saxena 2010 (masked truncation), with the wrap term prepared by the dealer so that it is exact.
 */
export const open = primitive({
  name: 'open',
  attributes: z.object({
    shift: int(0, 63),
    width: int(1, 64),
    offsetLog: int(-1, 62),
    share: z.enum(['none', 'source', 'modular', 'kept', 'lift']),
    bits: int(0, 64),
    /** the values' range where it is not ±2^magnitude: a claim of the planner, as every magnitude is */
    within: z.tuple([z.number(), z.number()]).optional(),
  }),
  infer(ins, a): OpenedType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share', () => 'open needs one share');
    const { shift, width, offsetLog, share } = a;
    const fracBits = x.fracBits - shift;
    check(
      width + shift <= x.bits,
      () => `open keeps ${width} bits after dropping ${shift}, the share is right modulo 2^${x.bits}`,
    );
    const modular = share === 'modular' || share === 'kept';
    let magnitude = x.magnitude;
    if (!modular) {
      check(width < 64, () => 'an opening of 64 bits is modular');
      const offset = offsetLog < 0 ? 0 : 2 ** offsetLog;
      // Without an offset the planner claims values that are not negative
      const [low, high] = a.within ?? [offsetLog < 0 ? 0 : -(2 ** x.magnitude), 2 ** x.magnitude];
      check(
        low <= high && low * 2 ** fracBits + offset >= 0,
        () => `values down to ${low} at ${fracBits} bits and the offset 2^${offsetLog} are negative`,
      );
      check(high * 2 ** fracBits + offset <= 2 ** (width - 1), () => {
        const values = `values up to ${high} at ${fracBits} bits with the offset 2^${offsetLog}`;
        return `${values} do not fit an opening of ${width} bits`;
      });
      magnitude = Math.ceil(Math.log2(Math.max(-low, high)));
    }
    if (modular && a.within) magnitude = Math.ceil(Math.log2(Math.max(-a.within[0], a.within[1])));
    if (share === 'source')
      check(
        shift === 0 && x.bits === 64,
        () => "an opening keeps its 'source' only if nothing is dropped and it has 64 bits",
      );
    check(
      share !== 'kept' || (shift === 0 && offsetLog < 0),
      () => 'an opening that stays drops nothing and has no offset',
    );
    const bits = { none: 0, modular: width, kept: width, source: 64, lift: a.bits }[share];
    check(a.bits === bits, () => `an opening with share '${share}' keeps ${bits} bits, the instruction says ${a.bits}`);
    check(share !== 'lift' || bits > width, () => `a lift from ${width} to ${bits} bits`);
    const type: OpenedType = { kind: 'opened', shape: x.shape, fracBits, width, offsetLog, modular, bits, magnitude };
    return { ...type, ...(share === 'lift' && { lifted: true }), ...(share === 'kept' && { stays: true }) };
  },
  needs: (_bits, ins, a) => [a.share === 'source' ? (ins[0] as ShareType).bits : a.width + a.shift],
  narrow: (bits, _ins, a) => (a.share === 'lift' ? { bits: Math.max(bits, a.width + 1) } : undefined),
  masks: (ins, a) => [{ count: sizeOf(ins[0]!.shape), bits: a.width }],
  opens: (ins, a) => ({ count: sizeOf(ins[0]!.shape), bits: a.width }),
  material: (ins, a) =>
    a.share === 'lift' ? Array(2).fill({ count: sizeOf(ins[0]!.shape), bits: a.bits - a.width }) : [],
  deal({ kernels, a, masks, differences: [difference], maskKey }) {
    if (a.share === 'kept') {
      const own = new BigUint64Array(difference!.length);
      kernels.affine(own, difference!, 1n, 0n, a.width);
      return { value: new StoredOpening(kernels, own, a.width, a.width, maskKey(0)).atDealer() };
    }

    // masks[0] is r0 + r1 without the reduction: its bits from `width` up are the carry w
    const total = masks[0]!;
    const r = scratch(total.length);
    kernels.affine(r, total, 1n, 0n, a.width);
    const mask = { r, ...(difference && { difference }) };
    if (a.share !== 'lift') return { value: mask };
    const { w, wh } = wrapBits(kernels, total, a.width);
    return { value: { ...mask, total }, material: [w, wh] };
  },
  begin({ role, a, ins, masks, types }) {
    const s = BigInt(a.shift);
    const offset = role === 0 ? (offsetOf(a) << s) + (1n << s) - 1n : 0n;
    const how = {
      offset: BigInt.asUintN(64, offset),
      bits: (types[0] as ShareType).bits,
      shift: a.shift,
      width: a.width,
    };
    return { share: ins[0]!.share!, mask: masks[0]!, how };
  },
  finish({ kernels, role, a, ins, opened: m, masks, material, maskKey }) {
    if (a.share === 'none') return { m };
    if (a.share === 'kept') {
      const twice = new BigUint64Array(m.length);
      const bits = Math.min(a.width + 1, 64);
      kernels.lessTwice(twice, m, masks[0]!);
      kernels.affine(twice, twice, 1n, 0n, bits);
      return new StoredOpening(kernels, twice, bits, a.width, maskKey(0)).atParty();
    }
    if (a.share === 'source') return { m, share: ins[0]!.share! };
    if (a.share === 'modular') return { m, half: masks[0]! };
    const share = scratch(m.length);
    const [carry, high] = material as [Words, Words];
    kernels.lift(share, m, masks[0]!, carry, high, a.width, offsetOf(a), role === 0);
    return { m, share, wrapSet: carry, wrapClear: high };
  },
  plain: ({ ins }) => ins[0],
  error: (a, out) => (a.shift > 0 ? 2 ** -(out as OpenedType).fracBits : 0),
});

/**
 * Carry w of r0 + r1 beyond `width` bits, and w + msb r, from the unreduced sum, which fits 64 bits as each half has 63
 * at most.
 */
function wrapBits(kernels: Kernels, total: Words, width: number): { w: Words; wh: Words } {
  const [w, wh] = [scratch(total.length), scratch(total.length)];
  kernels.maskForOpening(w, total, zeros(total.length), { offset: 0n, bits: 64, shift: width, width: 1 });
  kernels.maskForOpening(wh, total, w, { offset: 0n, bits: width, shift: width - 1, width: 2 });
  return { w, wh };
}

/**
 * More bits for a lifted opening: from m modulo 2^k to a Beaver opening of y modulo 2^k'.
 *
 *   1. the lift left shares t_i with y + offset = m − r0 − r1 + 2^k(t0 + t1); ρ = ρ0 + ρ1 mod 2^(k'−k) from the streams
 *   2. open u = t + ρ mod 2^(k'−k)                                         (one round)
 *   3. m' = m + 2^k·u − offset = y + r' mod 2^k', r' = r0 + r1 + 2^k·ρ
 *
 * Exact. Cost 1 round, k' − k bits each way an element; nothing from the dealer.
 * View   u is uniform because ρ is, whatever t is; so m' is uniform modulo 2^k' whatever y is.
 * Source the split opening of protocols section 4 (c), with the wrap of the lift as its high part.
 */
export const extend = primitive({
  name: 'extend',
  attributes: z.object({ width: int(3, 64) }),
  infer(ins, a): OpenedType {
    const [x] = ins;
    const ok = ins.length === 1 && x?.kind === 'opened' && x.lifted === true && x.width < a.width && a.width <= x.bits;
    check(ok, () => `extend to ${a.width} bits needs a lifted opening of fewer, got ${describeAll(ins)}`);
    const { lifted: _, ...rest } = x;
    return { ...rest, width: a.width, offsetLog: -1, modular: true, bits: a.width };
  },
  needs: (_bits, _ins, a) => [a.width],
  masks: (ins, a) => [{ count: sizeOf(ins[0]!.shape), bits: a.width - (ins[0] as OpenedType).width }],
  opens: (ins, a) => ({ count: sizeOf(ins[0]!.shape), bits: a.width - (ins[0] as OpenedType).width }),
  differences: 'passes',
  deal({ kernels, a, ins, masks, differences: [more], types }) {
    const { width } = types[0] as OpenedType;
    const r = scratch(masks[0]!.length);
    kernels.affine(r, masks[0]!, 1n << BigInt(width), 0n, 64);
    kernels.add(r, r, ins[0]!.total!);
    kernels.affine(r, r, 1n, 0n, a.width);
    if (!more) return { value: { r } };
    const difference = scratch(more.length);
    kernels.affine(difference, more, 1n << BigInt(width), 0n, 64);
    kernels.add(difference, difference, ins[0]!.difference!);
    return { value: { r, difference } };
  },
  begin({ kernels, a, ins, masks, types }) {
    const { m, wrapSet, wrapClear } = ins[0]!;
    const { width } = types[0] as OpenedType;
    const wrap = scratch(m!.length);
    kernels.choose(wrap, m!, wrapClear!, wrapSet!, width - 1);
    return { share: wrap, mask: masks[0]!, how: { offset: 0n, bits: 64, shift: 0, width: a.width - width } };
  },
  finish({ kernels, role, a, ins, masks, opened, types }) {
    const x = types[0] as OpenedType;
    const [m, share] = [scratch(opened.length), scratch(opened.length)];
    // The share that goes with this opening, [i=0]·m' − r'_i, is that of the lift and 2^k times what this party's part
    // of u lacks
    const how = { k: x.width, bits: a.width, offset: offsetOf(x), first: role === 0 };
    kernels.extend(m, share, ins[0] as LiftedOpening, opened, masks[0]!, how);
    return { m, share };
  },
  plain: ({ ins }) => ins[0],
});
