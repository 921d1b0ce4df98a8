const UNITS = ' KMGT';

/** Bytes from 8G, 512M, 1.5GiB or plain digits; undefined for anything else. */
export function bytesFrom(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)i?B?$/i.exec(text);
  if (!match) return undefined;
  const bytes = Math.floor(Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toUpperCase() || ' '));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
