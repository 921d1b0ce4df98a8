/** Attributes of a client part's steps, none of which is trusted: each is what it should be, or the step is refused. */

/** What is wrong with a step; it is caught where the step's number is known. */
export class BadStep extends Error {}

export function integer(value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new BadStep(`the number ${shown(value)}, which should be whole and from ${least} to ${most}`);
}

export function integers(value: unknown, least: number, most: number, length: number): number[] {
  if (!Array.isArray(value) || value.length > length) throw new BadStep(`the list ${shown(value)}`);
  return value.map((v) => integer(v, least, most));
}

export function number(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new BadStep(`${shown(value)} for a number`);
}

export function flag(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new BadStep(`${shown(value)} for true or false`);
}

export function text(value: unknown, length: number): string {
  if (typeof value === 'string' && value.length <= length) return value;
  throw new BadStep(`${shown(value)} for a text`);
}

/** Two numbers from 0 for each axis. */
export function pairs(value: unknown, rank: number): [number, number][] {
  if (!Array.isArray(value) || value.length !== rank) throw new BadStep(`the paddings ${shown(value)}`);
  return value.map((pair) => {
    const [before, after] = integers(pair, 0, 2 ** 24, 2);
    if (before === undefined || after === undefined) throw new BadStep(`the paddings ${shown(value)}`);
    return [before, after];
  });
}

const shown = (value: unknown) => String(JSON.stringify(value)).slice(0, 80);
