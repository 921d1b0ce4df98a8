// ChaCha20 (RFC 8439, section 2.3): four blocks at a time, one a lane.

// @ts-ignore: decorator
@inline function rotl(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n));
}
// @ts-ignore: decorator
@inline function rotl16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
// @ts-ignore: decorator
@inline function rotl8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

// @ts-ignore: decorator
@inline function word(key: usize, i: i32): v128 {
  return v128.load_splat<u32>(key + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline function emit(o: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  v128.store(o, v128.shuffle<u64>(ab0, cd0, 0, 2));
  v128.store(o + 64, v128.shuffle<u64>(ab0, cd0, 1, 3));
  v128.store(o + 128, v128.shuffle<u64>(ab1, cd1, 0, 2));
  v128.store(o + 192, v128.shuffle<u64>(ab1, cd1, 1, 3));
}

// key: 32 bytes, then 12 bytes of nonce. Writes 4·groups blocks of 64 bytes, the first with block counter `counter`.
export function chacha20(o: usize, key: usize, counter: u32, groups: i32): void {
  const k0 = i32x4.splat(0x61707865);
  const k1 = i32x4.splat(0x3320646e);
  const k2 = i32x4.splat(0x79622d32);
  const k3 = i32x4.splat(0x6b206574);
  for (let g = 0; g < groups; g++, o += 256, counter += 4) {
    const ctr = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
    let x0 = k0, x1 = k1, x2 = k2, x3 = k3;
    let x4 = word(key, 0), x5 = word(key, 1), x6 = word(key, 2), x7 = word(key, 3);
    let x8 = word(key, 4), x9 = word(key, 5), xa = word(key, 6), xb = word(key, 7);
    let xc = ctr, xd = word(key, 8), xe = word(key, 9), xf = word(key, 10);
    for (let r = 0; r < 10; r++) {
      x0 = i32x4.add(x0, x4); xc = rotl16(v128.xor(xc, x0));
      x1 = i32x4.add(x1, x5); xd = rotl16(v128.xor(xd, x1));
      x2 = i32x4.add(x2, x6); xe = rotl16(v128.xor(xe, x2));
      x3 = i32x4.add(x3, x7); xf = rotl16(v128.xor(xf, x3));
      x8 = i32x4.add(x8, xc); x4 = rotl(v128.xor(x4, x8), 12);
      x9 = i32x4.add(x9, xd); x5 = rotl(v128.xor(x5, x9), 12);
      xa = i32x4.add(xa, xe); x6 = rotl(v128.xor(x6, xa), 12);
      xb = i32x4.add(xb, xf); x7 = rotl(v128.xor(x7, xb), 12);
      x0 = i32x4.add(x0, x4); xc = rotl8(v128.xor(xc, x0));
      x1 = i32x4.add(x1, x5); xd = rotl8(v128.xor(xd, x1));
      x2 = i32x4.add(x2, x6); xe = rotl8(v128.xor(xe, x2));
      x3 = i32x4.add(x3, x7); xf = rotl8(v128.xor(xf, x3));
      x8 = i32x4.add(x8, xc); x4 = rotl(v128.xor(x4, x8), 7);
      x9 = i32x4.add(x9, xd); x5 = rotl(v128.xor(x5, x9), 7);
      xa = i32x4.add(xa, xe); x6 = rotl(v128.xor(x6, xa), 7);
      xb = i32x4.add(xb, xf); x7 = rotl(v128.xor(x7, xb), 7);
      x0 = i32x4.add(x0, x5); xf = rotl16(v128.xor(xf, x0));
      x1 = i32x4.add(x1, x6); xc = rotl16(v128.xor(xc, x1));
      x2 = i32x4.add(x2, x7); xd = rotl16(v128.xor(xd, x2));
      x3 = i32x4.add(x3, x4); xe = rotl16(v128.xor(xe, x3));
      xa = i32x4.add(xa, xf); x5 = rotl(v128.xor(x5, xa), 12);
      xb = i32x4.add(xb, xc); x6 = rotl(v128.xor(x6, xb), 12);
      x8 = i32x4.add(x8, xd); x7 = rotl(v128.xor(x7, x8), 12);
      x9 = i32x4.add(x9, xe); x4 = rotl(v128.xor(x4, x9), 12);
      x0 = i32x4.add(x0, x5); xf = rotl8(v128.xor(xf, x0));
      x1 = i32x4.add(x1, x6); xc = rotl8(v128.xor(xc, x1));
      x2 = i32x4.add(x2, x7); xd = rotl8(v128.xor(xd, x2));
      x3 = i32x4.add(x3, x4); xe = rotl8(v128.xor(xe, x3));
      xa = i32x4.add(xa, xf); x5 = rotl(v128.xor(x5, xa), 7);
      xb = i32x4.add(xb, xc); x6 = rotl(v128.xor(x6, xb), 7);
      x8 = i32x4.add(x8, xd); x7 = rotl(v128.xor(x7, x8), 7);
      x9 = i32x4.add(x9, xe); x4 = rotl(v128.xor(x4, x9), 7);
    }
    emit(o, i32x4.add(x0, k0), i32x4.add(x1, k1), i32x4.add(x2, k2), i32x4.add(x3, k3));
    emit(o + 16, i32x4.add(x4, word(key, 0)), i32x4.add(x5, word(key, 1)), i32x4.add(x6, word(key, 2)),
        i32x4.add(x7, word(key, 3)));
    emit(o + 32, i32x4.add(x8, word(key, 4)), i32x4.add(x9, word(key, 5)), i32x4.add(xa, word(key, 6)),
        i32x4.add(xb, word(key, 7)));
    emit(o + 48, i32x4.add(xc, ctr), i32x4.add(xd, word(key, 8)), i32x4.add(xe, word(key, 9)),
        i32x4.add(xf, word(key, 10)));
  }
}
