/** What the command's flags hold: parsers, each of which says what it expects. */
import { InvalidArgumentError } from 'commander';
import { bytesFrom } from '../identity/sizes.js';
import { limits } from '../limits.js';
import { publicKeyFrom } from '../wire/keys.js';
import { addressFrom } from '../wire/url.js';

export function address(text: string): { host: string; port: number } {
  const found = addressFrom(text);
  if (!found) throw new InvalidArgumentError('expected HOST:PORT');
  return found;
}

export function threads(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('expected 1 to 99');
  return Number(text);
}

/** Bytes from 8G, 512M or plain digits. */
export function memory(text: string): number {
  const bytes = bytesFrom(text) ?? 0;
  if (bytes < limits.leastMemoryBytes) throw new InvalidArgumentError(`expected at least 1G, such as 8G; got ${text}`);
  return bytes;
}

export function size(text: string): number {
  const bytes = bytesFrom(text);
  if (bytes === undefined) throw new InvalidArgumentError(`expected a size, such as 20G; got ${text}`);
  return bytes;
}

export function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('expected a number up to 999999');
  return Number(text);
}

/** @returns seconds */
export function days(text: string): number {
  const value = /^\d{1,4}(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (value <= 0) throw new InvalidArgumentError('expected a number of days, such as 30');
  return Math.ceil(value * 86_400);
}

/** Runs in so many seconds. */
export function quota(text: string): { runs: number; seconds: number } {
  const match = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text);
  if (!match) throw new InvalidArgumentError('expected RUNS/SECONDS, such as 100/3600');
  return { runs: Number(match[1]), seconds: Number(match[2]) };
}

export function list(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '')) throw new InvalidArgumentError('expected names with commas between them');
  return parts;
}

/** @returns the key in hex */
export function publicKey(text: string): string {
  const key = publicKeyFrom(text);
  if (key === undefined)
    throw new InvalidArgumentError("expected a public key, 'ed25519:…' as party-node keygen prints it");
  return key;
}
