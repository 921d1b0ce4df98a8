import { isObject } from '../describe.js';

/** An object of a parsed JSON file. */
export type Json = Record<string, unknown>;

/** @param what the field's name, for the message. @throws Error, if it is no JSON object */
export function object(value: unknown, what: string): Json {
  if (!isObject(value)) throw new Error(`${what} is no JSON object`);
  return value as Json;
}

/** The objects of an array; none where the field is absent or null. @throws Error, if it is something else */
export function objects(value: unknown, what: string): Json[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`${what} is no array`);
  return value.map((v, i) => object(v, `${what}[${i}]`));
}

/** @throws Error, if it is no string */
export function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no string`);
  return value;
}

/** @throws Error, if it is no whole number from 0 on */
export function whole(value: unknown, what: string): number {
  if (!Number.isInteger(value) || (value as number) < 0) throw new Error(`${what} is no whole number`);
  return value as number;
}
