/**
 * One spelling for one value: keys sorted, no spaces. Hashes of sources, call keys and contracts are taken over it, so
 * its output is as persistent as the hashes are: a change here makes every stored answer unfindable.
 *
 * Values are read as `JSON.stringify` reads them. Keys sort by UTF-16 code unit, the same in every locale; keys that are
 * array indices come first, in numeric order, because JavaScript keeps them so in any object.
 */
export function canonicalJson(value: unknown): string {
  const text = JSON.stringify(value, sortedKeys);
  if (text === undefined) throw new TypeError(`A ${typeof value} has no JSON form.`);
  return text;
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  // Null prototype: a key named `__proto__` stays a key.
  return Object.assign(Object.create(null), Object.fromEntries(entries)) as unknown;
}
