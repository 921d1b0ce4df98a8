/**
 * The largest of a group, by all pairs of it at once. What compares is whole: the top bits of an opening are those of
 * an opened integer, ⌊x/2^s⌋ or one more, whose order is transitive; so nothing is opened for the comparisons but
 * their bits. See docs/protocols.md, section 9.
 */
import { halvesOf, type Kernels, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, integerText, primitive } from '../instruction/primitive.js';
import {
  check,
  describeAll,
  type OpenedType,
  type Shape,
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';

/** Most members of a group, and of one whose tables are for the bits themselves. */
const GROUP = 32;
const SMALL_GROUP = 4;

/**
 * The top bits of a modular opening, as one of an integer: y' = (m ≫ s) − (r ≫ s) modulo 2^(k−s) is ⌊y/2^s⌋, or one
 * more where the low bits borrow. T knows its mask, the parties have no share of it. Local.
 */
export const topBits = primitive({
  name: 'topBits',
  attributes: z.object({ shift: int(1, 61) }),
  infer(ins, a): OpenedType {
    const [x] = ins;
    const ok = ins.length === 1 && x?.kind === 'opened' && x.offsetLog < 0 && x.width - a.shift >= 2;
    check(ok, () => `bits above ${a.shift} of ${describeAll(ins)}, without an offset`);
    const [fracBits, width] = [x.fracBits - a.shift, x.width - a.shift];
    return {
      kind: 'opened',
      shape: x.shape,
      fracBits,
      width,
      offsetLog: -1,
      modular: true,
      bits: 0,
      magnitude: x.magnitude,
    };
  },
  needs: () => [0],
  deal: ({ kernels, a, ins, out }) => ({ value: { r: shifted(kernels, ins[0]!.r!, a.shift, out as OpenedType) } }),
  finish: ({ kernels, a, ins, out }) => ({ m: shifted(kernels, ins[0]!.m!, a.shift, out as OpenedType) }),
  // One more now and then
  plain: ({ a, ins, types }) => {
    const unit = 2 ** (a.shift - (types[0] as OpenedType).fracBits);
    return ins[0]!.map((x) => Math.floor(x / unit) * unit);
  },
});

function shifted(kernels: Kernels, words: Words, shift: number, { width }: OpenedType): Words {
  const out = scratch(words.length);
  kernels.maskForOpening(out, words, zeros(words.length), { offset: 0n, bits: width + shift, shift, width });
  return out;
}

/** The members of a group whose pairs the operands are: bits of members d apart, for d = 1, 2, … */
function groupOf(bits: readonly ValueType[]): { lead: Shape; size: number } | undefined {
  const [first] = bits;
  const size = bits.length + 1;
  if (first?.kind !== 'openBits' || size > GROUP) return undefined;
  const lead = first.shape.slice(0, -1);
  const fits = (b: ValueType, i: number) =>
    b.kind === 'openBits' && b.planes === 1 && sameShape(b.shape, [...lead, size - 1 - i]);
  return bits.every(fits) ? { lead, size } : undefined;
}

/** Of each pair d apart in every group, in order: `each(member, bit)`, the member the first of the two. */
function eachPair(
  plane: Words,
  groups: number,
  size: number,
  d: number,
  each: (member: number, bit: number, pair: number) => void,
): void {
  const halves = halvesOf(plane);
  for (let g = 0, pair = 0; g < groups; g++)
    for (let i = 0; i < size - d; i++, pair++)
      each(g * size + i, ((halves[pair >> 5] as number) >>> (pair & 31)) & 1, pair);
}

/**
 * How many of its group each member is less than: of opened bits b_ij = [y_i < y_j], i < j, member i loses where the
 * bit is 1 and j where it is 0, so that of equals the first wins. Modulo 2^bits.
 *
 *   b = c + (1 − 2c)·⟦β⟧ as in `bitValue`, summed                          (local)
 *
 * Domain groups of 2 to 32. Exact. Cost no round; dealer `bits` bits a pair.
 * View   nothing is sent between the parties; P1's ⟦β⟧ is under P0's stream.
 */
export const losses = primitive({
  name: 'losses',
  attributes: z.object({ bits: int(2, 6) }),
  infer(ins, a): ShareType {
    const group = groupOf(ins);
    check(group !== undefined, () => `losses of ${describeAll(ins)}`);
    check(group.size <= 2 ** a.bits, () => `losses in groups of ${group.size} modulo 2^${a.bits}`);
    return shareType([...group.lead, group.size], 0, a.bits, a.bits - 1);
  },
  needs: (_bits, ins) => ins.map(() => 0),
  material: (ins, a) => [{ count: ins.reduce((sum, t) => sum + sizeOf(t.shape), 0), bits: a.bits }],
  deal({ kernels, ins, types }) {
    const words = scratch(types.reduce((sum, t) => sum + sizeOf(t.shape), 0));
    let at = 0;
    ins.forEach(({ beta }, i) => {
      const n = sizeOf(types[i]!.shape);
      kernels.planeToWords(words.subarray(at, at + n), beta!);
      at += n;
    });
    return { value: {}, material: [words] };
  },
  finish({ role, a, ins, types, out, material: [beta] }) {
    const { lead, size } = groupOf(types)!;
    const share = zeros(sizeOf(out.shape));
    const [to, from] = [halvesOf(share), halvesOf(beta!)];
    const [mask, one] = [2 ** a.bits - 1, role === 0 ? 1 : 0];
    let base = 0;
    ins.forEach(({ planes }, index) => {
      const d = index + 1;
      eachPair(planes!, sizeOf(lead), size, d, (member, c, pair) => {
        const own = from[2 * (base + pair)] as number;
        const bit = c === 1 ? one - own : own;
        to[2 * member] = ((to[2 * member] as number) + bit) & mask;
        to[2 * (member + d)] = ((to[2 * (member + d)] as number) + one - bit) & mask;
      });
      base += sizeOf(types[index]!.shape);
    });
    return { share };
  },
  plain: () => undefined,
});

/** What the bits of a group's pairs name for every member: bit j of it is that of its pair with the j-th other. */
function patternsOf(planes: readonly Words[], groups: number, size: number): Uint8Array {
  const out = new Uint8Array(groups * size);
  planes.forEach((plane, index) => {
    const d = index + 1;
    eachPair(plane, groups, size, d, (member, bit) => {
      const i = member % size;
      out[member]! |= bit << (i + d - 1);
      out[member + d]! |= bit << i;
    });
  });
  return out;
}

/** log2 of the entries of a member's tables. */
export const entriesLog = (ins: readonly ValueType[]) =>
  ins[1]!.kind === 'opened' ? (ins[1] as OpenedType).width : ins.length - 1;

/**
 * The larger of two opened integers y = μ − ρ, of the opened bit b = [y_a < y_b] = c ⊕ β:
 *
 *   1. T shares β, and for each value that c can have the larger one's mask, ρ_a or ρ_b as c ⊕ β says
 *   2. μ_a + ⟦b⟧·(μ_b − μ_a) − ⟦ρ⟧, ⟦b⟧ = c + (1 − 2c)·⟦β⟧ as in `bitValue`                             (local)
 *
 * Exact. Cost no round; dealer three words a pair.
 * View   nothing is sent between the parties; P1's shares are under P0's streams, one by one.
 * Source Ishai, Kushilevitz, Meldgaard, Orlandi and Paskin-Cherniavsky 2013 (one-time truth tables).
 */
export const larger = primitive({
  name: 'larger',
  attributes: z.object({ magnitude: int(-64, 24) }),
  infer(ins, a): ShareType {
    const [x, y, b] = ins;
    const ok =
      ins.length === 3 &&
      x?.kind === 'opened' &&
      y?.kind === 'opened' &&
      b?.kind === 'openBits' &&
      x.modular &&
      y.modular &&
      x.offsetLog < 0 &&
      y.offsetLog < 0 &&
      x.width === y.width &&
      x.fracBits === y.fracBits &&
      b.planes === 1 &&
      sameShape(x.shape, y.shape) &&
      sameShape(x.shape, b.shape);
    check(ok, () => `larger of ${describeAll(ins)}`);
    return shareType(x.shape, x.fracBits, x.width, a.magnitude);
  },
  needs: (_bits, ins) => ins.map(() => 0),
  material(ins) {
    const { shape, width } = ins[0] as OpenedType;
    return Array(3).fill({ count: sizeOf(shape), bits: width });
  },
  deal({ kernels, ins }) {
    const [a, b] = [ins[0]!.r!, ins[1]!.r!];
    const [beta, clear, set] = [scratch(a.length), scratch(a.length), scratch(a.length)];
    kernels.planeToWords(beta, ins[2]!.beta!);
    kernels.choose(clear, beta, a, b, 0);
    kernels.choose(set, beta, b, a, 0);
    return { value: {}, material: [beta, clear, set] };
  },
  finish({ kernels, role, ins: [a, b, bits], out, material: [beta, clear, set] }) {
    // Of a stored opening each look makes words
    const first = a!.m!;
    const n = first.length;
    const [share, part] = [scratch(n), scratch(n)];
    kernels.sub(part, b!.m!, first);
    kernels.bitShare(share, bits!.planes!, beta!, role === 0);
    kernels.mul(share, share, part);
    if (role === 0) kernels.add(share, share, first);
    kernels.planeToWords(part, bits!.planes!);
    kernels.choose(part, part, clear!, set!, 0);
    kernels.sub(share, share, part);
    kernels.affine(share, share, 1n, 0n, (out as ShareType).bits);
    return { share };
  },
  plain: ({ ins: [a, b] }) => a!.map((v, i) => Math.max(v, b![i]!)),
  // What it is of may be a unit more than it says
  error: (_a, out) => 2 ** -(out as ShareType).fracBits,
});

/**
 * The largest of each group of opened integers y = μ − ρ: that of the member which loses to no other.
 *
 *   1. what says so is public but for T's part: bits c = b ⊕ β of its pairs, in groups of up to four; or its losses,
 *      opened as t = L + λ
 *   2. of every member but the last, T shares [it wins]·1 and [it wins]·(ρ − ρ_last) for every value that this can
 *      have: not zero for one of them; and ρ_last
 *   3. y_last + Σ (μ − μ_last)·⟦w⟧ − ⟦w·(ρ − ρ_last)⟧ over the others                                       (local)
 *
 * Exact, where one member wins. Cost no round; dealer 2^(members − 1) or 2^width entries a member but one, each twice
 * the width of y, and one word.
 * View   nothing is sent between the parties; P1's tables are under P0's streams.
 * Source Ishai, Kushilevitz, Meldgaard, Orlandi and Paskin-Cherniavsky 2013 (one-time truth tables).
 */
export const winner = primitive({
  name: 'winner',
  attributes: z.object({ magnitude: int(-64, 24) }),
  infer(ins, a): ShareType {
    const [x, t, ...more] = ins;
    const fits = x?.kind === 'opened' && x.modular && x.offsetLog < 0 && x.width <= 16;
    check(fits, () => `winner of ${describeAll(ins)}`);
    if (t?.kind === 'opened') {
      const ok =
        more.length === 0 && t.offsetLog < 0 && t.width <= 6 && t.fracBits === 0 && sameShape(t.shape, x.shape);
      check(ok, () => `winner by the losses ${describeAll(ins.slice(1))}`);
    } else {
      const group = groupOf(ins.slice(1));
      const ok = group && group.size <= SMALL_GROUP && sameShape([...group.lead, group.size], x.shape);
      check(ok === true, () => `winner by the bits ${describeAll(ins.slice(1))}`);
    }
    return shareType(x.shape.slice(0, -1), x.fracBits, x.width, a.magnitude);
  },
  needs: (_bits, ins) => ins.map(() => 0),
  material(ins) {
    const { shape, width } = ins[0] as OpenedType;
    const groups = sizeOf(shape.slice(0, -1));
    const count = (sizeOf(shape) - groups) * 2 ** entriesLog(ins);
    return [
      { count, bits: width },
      { count, bits: width },
      { count: groups, bits: width },
    ];
  },
  deal({ ins, types }) {
    const { shape } = types[0] as OpenedType;
    const [n, log, size] = [sizeOf(shape), entriesLog(types), shape.at(-1)!];
    const count = (n - n / size) * 2 ** log;
    const [wins, masks, lasts] = [zeros(count), zeros(count), zeros(n / size)];
    const [w, wr, last, r] = [halvesOf(wins), halvesOf(masks), halvesOf(lasts), halvesOf(ins[0]!.r!)];
    const wanted = types[1]!.kind === 'opened' ? undefined : wantedPatterns(ins, shape);
    const lambda = wanted ? undefined : halvesOf(ins[1]!.r!);
    for (let i = 0, group = 0, table = 0; group < n / size; group++, i++) {
      const base = r[2 * (i + size - 1)] as number;
      last[2 * group] = base;
      for (let k = 1; k < size; k++, i++, table++) {
        const at = 2 * (table * 2 ** log + (wanted ? wanted[i]! : (lambda![2 * i] as number)));
        w[at] = 1;
        // Above the width there may be anything
        wr[at] = (r[2 * i] as number) - base;
      }
    }
    return { value: {}, material: [wins, masks, lasts] };
  },
  finish({ role, ins, types, out, material: [wins, masks, lasts] }) {
    const { shape, width } = types[0] as OpenedType;
    const [n, log, size] = [sizeOf(shape), entriesLog(types), shape.at(-1)!];
    const share = zeros(sizeOf(out.shape));
    const [to, w, wr] = [halvesOf(share), halvesOf(wins!), halvesOf(masks!)];
    const [last, mu] = [halvesOf(lasts!), halvesOf(ins[0]!.m!)];
    const bits = types[1]!.kind === 'opened' ? undefined : ins.slice(1).map((b) => b.planes!);
    const patterns = bits && patternsOf(bits, n / size, size);
    const t = patterns ? undefined : halvesOf(ins[1]!.m!);
    const mask = 2 ** width - 1;
    for (let i = 0, group = 0, table = 0; group < n / size; group++, i++) {
      const base = mu[2 * (i + size - 1)] as number;
      let sum = (role === 0 ? base : 0) - (last[2 * group] as number);
      for (let k = 1; k < size; k++, i++, table++) {
        const at = 2 * (table * 2 ** log + (patterns ? patterns[i]! : (t![2 * i] as number)));
        sum = (sum + Math.imul((mu[2 * i] as number) - base, w[at] as number) - (wr[at] as number)) & mask;
      }
      to[2 * group] = sum & mask;
    }
    return { share };
  },
  plain({ ins: [x], types }) {
    const size = (types[0] as OpenedType).shape.at(-1)!;
    return Float64Array.from({ length: x!.length / size }, (_, g) =>
      Math.max(...x!.subarray(g * size, (g + 1) * size)),
    );
  },
  // What it is of may be a unit more than it says
  error: (_a, out) => 2 ** -(out as ShareType).fracBits,
});

/** The patterns by which members win: 0 with those after them, 1 with those before, each xor β. */
function wantedPatterns(ins: readonly { beta?: Words }[], shape: Shape): Uint8Array {
  const size = shape.at(-1)!;
  const out = patternsOf(
    ins.slice(1).map(({ beta }) => beta!),
    sizeOf(shape) / size,
    size,
  );
  // Those before member i are its first i
  for (let i = 0; i < out.length; i++) out[i]! ^= 2 ** (i % size) - 1;
  return out;
}

/**
 * How far below a bound opened values are: bound·2^s + slack − x, of the openings of both. The difference of openings
 * under the difference of their masks; only T knows those, so there is no share of it. Local.
 */
export const distanceBelow = primitive({
  name: 'distanceBelow',
  attributes: z.object({ shift: int(1, 61), slack: integerText, magnitude: int(-64, 63) }),
  infer(ins, a): OpenedType {
    const [bound, x] = ins;
    const ok =
      ins.length === 2 &&
      bound?.kind === 'opened' &&
      x?.kind === 'opened' &&
      bound.offsetLog < 0 &&
      x.offsetLog < 0 &&
      bound.width + a.shift === x.width &&
      bound.fracBits + a.shift === x.fracBits &&
      sameShape(bound.shape, x.shape);
    check(ok, () => `distanceBelow of ${describeAll(ins)}`);
    const { fracBits, width, shape } = x;
    return { kind: 'opened', shape, fracBits, width, offsetLog: -1, modular: false, bits: 0, magnitude: a.magnitude };
  },
  needs: () => [0, 0],
  deal({ kernels, a, ins, out }) {
    return { value: { r: apart(kernels, ins[0]!.r!, ins[1]!.r!, a.shift, 0n, (out as OpenedType).width) } };
  },
  finish({ kernels, a, ins, out }) {
    const slack = BigInt.asUintN(64, BigInt(a.slack));
    return { m: apart(kernels, ins[0]!.m!, ins[1]!.m!, a.shift, slack, (out as OpenedType).width) };
  },
  plain({ a, ins, types }) {
    const slack = Number(a.slack) / 2 ** (types[1] as OpenedType).fracBits;
    return ins[1]!.map((x, i) => ins[0]![i]! + slack - x);
  },
});

function apart(kernels: Kernels, bound: Words, x: Words, shift: number, slack: bigint, width: number): Words {
  const out = scratch(x.length);
  kernels.affine(out, bound, 1n << BigInt(shift), slack, 64);
  kernels.sub(out, out, x);
  kernels.affine(out, out, 1n, 0n, width);
  return out;
}
