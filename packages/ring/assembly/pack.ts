// k-bit words on the wire, least significant bit first, back to back; 64-bit words in memory.

export function pack(o: usize, a: usize, n: i32, k: i32): void {
  if ((k & 7) == 0) {
    // Whole bytes: overlapping stores, the host leaves 8 bytes behind the end.
    const step: usize = k >> 3;
    for (let i = 0; i < n; i++, o += step, a += 8) store<u64>(o, load<u64>(a));
    return;
  }
  const mask: u64 = (1 << <u64>k) - 1;
  let buffer: u64 = 0;
  let held: u64 = 0;
  for (let i = 0; i < n; i++, a += 8) {
    const x = load<u64>(a) & mask;
    buffer |= x << held;
    held += k;
    if (held >= 64) {
      store<u64>(o, buffer);
      o += 8;
      held -= 64;
      // What did not fit: the top `held` bits of x (none when held is 0; a shift by k would be right then too, k < 64)
      buffer = held == 0 ? 0 : x >> (<u64>k - held);
    }
  }
  if (held) store<u64>(o, buffer);
}

export function unpack(o: usize, a: usize, n: i32, k: i32): void {
  const mask: u64 = k == 64 ? ~(<u64>0) : (1 << <u64>k) - 1;
  if ((k & 7) == 0) {
    const step: usize = k >> 3;
    for (let i = 0; i < n; i++, o += 8, a += step) store<u64>(o, load<u64>(a) & mask);
    return;
  }
  let bit: u64 = 0;
  for (let i = 0; i < n; i++, o += 8, bit += k) {
    const at = a + <usize>(bit >> 6 << 3);
    const shift = bit & 63;
    let x = load<u64>(at) >> shift;
    if (shift + k > 64) x |= load<u64>(at + 8) << (64 - shift);
    store<u64>(o, x & mask);
  }
}
