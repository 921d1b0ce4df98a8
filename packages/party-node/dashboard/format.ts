/** Figures as people read them. */

const whole = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

export const count = (n: number): string => whole.format(n);

/** '1 run', '2 runs'. */
export const counted = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? '' : 's'}`;

const digits = (n: number) =>
  n >= 100 || Number.isInteger(n) ? Math.round(n).toString() : n.toPrecision(n >= 10 ? 3 : 2);

/** Bytes in decimal units, as networks are sold. */
export function bytes(n: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (n >= size) return `${digits(n / size)} ${unit}`;
  return `${Math.round(n)} B`;
}

/** @param part of one */
export const percent = (part: number): string => (part > 0 && part < 0.01 ? '< 1 %' : `${Math.round(100 * part)} %`);

export const rate = (n: number): string => `${bytes(n)}/s`;

export function ms(n: number): string {
  if (n === 0) return '0';
  if (n < 0.1) return '< 0.1 ms';
  return n < 1000 ? `${digits(n)} ms` : seconds(n / 1000);
}

export function seconds(n: number): string {
  if (n < 60) return `${digits(n)} s`;
  const minutes = Math.floor(n / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param time milliseconds since 1970 */
export const timeOfDay = (time: number): string => clock.format(time);

/** 'party 0' as a heading. */
export const titled = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** The middle one; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
