/** What flags hold: parsers, each of which says what it expects. */
import { addressFrom } from '@secformer/party-node/node';
import { InvalidArgumentError } from 'commander';

const LARGEST = 2 ** 20;

export function whole(text: string): number {
  const n = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (n < 1 || n > LARGEST) throw new InvalidArgumentError('expected a whole number above 0');
  return n;
}

/** Numbers with commas between them, each once, in order. */
export function lengths(text: string): number[] {
  const all = list(text).map(whole);
  return [...new Set(all)].sort((a, b) => a - b);
}

export function list(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '')) throw new InvalidArgumentError('expected items with commas between them');
  return parts;
}

export function address(text: string): { host: string; port: number } {
  const found = addressFrom(text);
  if (!found) throw new InvalidArgumentError('expected HOST:PORT');
  return found;
}

/** Of a wait: an hour at most. */
export function seconds(text: string): number {
  const n = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (n < 1 || n > 3600) throw new InvalidArgumentError('expected 1 to 3600 seconds');
  return n;
}
