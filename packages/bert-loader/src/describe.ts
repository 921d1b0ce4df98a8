/** What a value is, for messages. Of a text only that it is one: texts are private. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty array' : `an array of ${value.map(kindOf).join(', ')}`.slice(0, 100);
  const type = typeof value;
  if (type === 'object') return `an object (${(value as object).constructor?.name ?? 'without a class'})`;
  return `a ${type}`;
}

/** Is this what JSON calls an object? */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
