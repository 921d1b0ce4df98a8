import { SecformerError } from '@secformer/ring';
import { suiteOf } from '@secformer/secformer-ops';
import { type Calibration, checkCalibration } from './calibration.js';
import type { Configuration } from './configuration.js';

type Check = (value: unknown, name: string) => void;

/** A refusal that says which setting, what came, and what was expected. */
const bad = (what: string) => new SecformerError('BAD_CONFIGURATION', what);

/** What a value is; of a text only that it is one, since it may be a secret. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean' || typeof value === 'number')
    return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  return `an object (${value.constructor?.name ?? 'without a class'})`;
}

/** A text, or a file's content as `readFileSync` gives it without an encoding. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  // By its tag: a test runner's or a frame's Uint8Array is another class
  return Object.prototype.toString.call(value) === '[object Uint8Array]'
    ? new TextDecoder().decode(value as Uint8Array)
    : undefined;
}

/** What each setting may be. */
const checks: { [K in keyof Required<Configuration>]: Check } = {
  parties: (value, name) => {
    if (!Array.isArray(value) || value.length !== 2)
      throw bad(`${name}: expected two URLs, got ${Array.isArray(value) ? JSON.stringify(value) : kindOf(value)}`);
    for (const [i, url] of value.entries()) checkUrlText(url, `${name}[${i}]`);
  },
  dealer: (value, name) => checkUrlText(value, name),
  token: (value, name) => {
    const text = textOf(value);
    if (text === undefined)
      throw bad(
        `${name}: expected the text of the nodes' --client-token-file, as a string or as bytes, got ${kindOf(value)}`,
      );
    if (text.trim() === '') throw bad(`${name}: expected the text of the nodes' --client-token-file, got an empty one`);
  },
  suite: (value, name) => {
    if (typeof value !== 'string')
      throw bad(`${name}: expected the name of a suite, such as 'exact', got ${kindOf(value)}`);
    suiteOf(value);
  },
  calibration: (value) => checkCalibration(value as Calibration),
  ca: (value, name) => {
    const text = textOf(value);
    if (text === undefined) throw bad(`${name}: expected PEM text, as a string or as bytes, got ${kindOf(value)}`);
    if (!text.includes('-----BEGIN '))
      throw bad(
        `${name}: expected PEM text with a line '-----BEGIN CERTIFICATE-----', not a path; SECFORMER_CA takes the ` +
          `path of a file`,
      );
  },
  prepareAhead: checkBoolean,
  fold: checkBoolean,
  onRange: (value, name) => {
    if (value !== 'throw' && value !== 'warn' && value !== 'ignore')
      throw bad(`${name}: expected 'throw', 'warn' or 'ignore', got ${quoted(value)}`);
  },
  network: (value, name) => {
    if (value !== 'lan' && value !== 'wan') throw bad(`${name}: expected 'lan' or 'wan', got ${quoted(value)}`);
  },
  operandBits: (value, name) => {
    if (value !== 16 && value !== 13) throw bad(`${name}: expected 16 or 13, got ${quoted(value)}`);
  },
  syncTimeoutMs: (value, name) => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw bad(`${name}: expected a number of milliseconds above 0, got ${kindOf(value)}`);
  },
  onProgress: (value, name) => {
    if (typeof value !== 'function') throw bad(`${name}: expected a function, got ${kindOf(value)}`);
  },
};

const quoted = (value: unknown) => (typeof value === 'string' ? `'${value}'` : kindOf(value));

function checkBoolean(value: unknown, name: string): void {
  if (typeof value !== 'boolean') throw bad(`${name}: expected true or false, got ${kindOf(value)}`);
}

function checkUrlText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value.trim() === '')
    throw bad(
      `${name}: expected a URL, such as wss://host:24700, got ${value === '' ? 'an empty string' : kindOf(value)}`,
    );
}

/**
 * Is this what `configure` takes?
 * @throws TypeError where it is no object, SecformerError where it has a setting that there is not
 */
export function checkNames(given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError(
      `configure was given ${kindOf(given)}; expected an object, such as configure({ suite: 'exact' })`,
    );
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(checks, key));
  if (unknown.length > 0)
    throw bad(
      `configure knows no ${unknown.map((k) => `'${k}'`).join(', ')}; it knows ${Object.keys(checks).join(', ')}`,
    );
}

/**
 * Checks settings of whatever origin, all together.
 * @param nameOf a setting as the caller knows it
 * @throws SecformerError for a wrong type or value, and where parties, dealer and token are not given together
 */
export function checkSettings(c: Configuration, nameOf: (key: keyof Configuration) => string): void {
  for (const [key, check] of Object.entries(checks)) {
    const value = c[key as keyof Configuration];
    if (value !== undefined) check(value, nameOf(key as keyof Configuration));
  }
  if (c.operandBits === 13 && !suiteOf(c.suite ?? 'exact').takesFewerBits)
    throw bad(
      `${nameOf('operandBits')}: 13 is for the suites 'exact' and 'fast', whose protocols take fewer bits; ` +
        `${nameOf('suite')} is '${c.suite}'. Leave it out, or choose one of them`,
    );
  const together = ['parties', 'dealer', 'token'] as const;
  const [given, missing] = [true, false].map((there) => together.filter((key) => (c[key] !== undefined) === there));
  if (given!.length === 0 || missing!.length === 0) return;
  throw bad(
    `real nodes need parties: [url0, url1], dealer: url and token together; ${missing!.join(' and ')} ` +
      `${missing!.length > 1 ? 'are' : 'is'} missing beside ` +
      `${given!.map(nameOf).join(' and ')}; leave all three out for the embedded trio`,
  );
}
