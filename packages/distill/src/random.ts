/**
 * Numbers that follow from a seed and from what they are for, such as the epoch whose order they make: nothing is left
 * over from one step for the next, so that a training that is taken up again draws what it would have drawn.
 */

function mixed(h: number, value: number): number {
  let x = Math.imul(h ^ value, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** What draws are for; each has numbers of its own. */
export const PURPOSES = ['order', 'dropout', 'head', 'calibration'] as const;

/** Draws 32 bits at a time (xoshiro128**, Blackman and Vigna 2018), from a seed, a purpose and its numbers. */
export function drawsOf(seed: number, purpose: (typeof PURPOSES)[number], ...numbers: number[]): () => number {
  let h = mixed(mixed(0x6a09e667, seed >>> 0), PURPOSES.indexOf(purpose) + 1);
  for (const n of numbers) h = mixed(h, n >>> 0);
  let [a, b, c, d] = [1, 2, 3, 4].map((i) => mixed(h, i)) as [number, number, number, number];
  return () => {
    const r = Math.imul(b, 5);
    const out = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return out;
  };
}

/** Gaussian numbers of such draws (Box–Muller). */
export function gaussiansOf(draw: () => number): () => number {
  const uniform = () => (draw() + 0.5) / 2 ** 32;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** 0 to n − 1 in an order that every order is as likely as (Fisher and Yates). */
export function shuffled(n: number, draw: () => number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((draw() / 2 ** 32) * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
