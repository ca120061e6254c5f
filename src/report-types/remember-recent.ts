/**
 * Keeps the last few results of an expensive pure function. Bounded by count: an entry may stand for a source of some
 * megabytes, and a worker rarely writes for more than a handful of reports at once.
 */
export function rememberRecent<T>(limit: number): (key: string, make: () => T) => T {
  const recent = new Map<string, T>();
  return (key, make) => {
    // A Map keeps insertion order, so re-inserting on a hit makes the first key the least recently used.
    const value = recent.has(key) ? (recent.get(key) as T) : make();
    recent.delete(key);
    recent.set(key, value);
    if (recent.size > limit) {
      const oldest = recent.keys().next();
      if (!oldest.done) recent.delete(oldest.value);
    }
    return value;
  };
}
