/**
 * Keeps the last few results of an expensive pure function. Bounded by count and by weight: an entry may stand for a source
 * of some megabytes, and the reports that a worker writes side by side are rarely all that large.
 */
export interface Recent<T> {
  /** What is remembered under the key; undefined where it is not, or not any more. */
  known(key: string): T | undefined;
  /** As remembered, or made now. What weighs more than all may together is not kept. */
  of(key: string, weight: number, make: () => T): T;
}

export function rememberRecent<T>(most: { entries: number; weight: number }): Recent<T> {
  // A Map keeps insertion order, so re-inserting on a hit makes the first key the least recently used.
  const recent = new Map<string, { value: T; weight: number }>();
  let weighs = 0;

  function forget(key: string): void {
    weighs -= recent.get(key)?.weight ?? 0;
    recent.delete(key);
  }

  function remember(key: string, value: T, weight: number): void {
    recent.set(key, { value, weight });
    weighs += weight;
    for (const oldest of recent.keys()) {
      if (recent.size <= most.entries && weighs <= most.weight) return;
      forget(oldest);
    }
  }

  function known(key: string): T | undefined {
    const entry = recent.get(key);
    if (entry === undefined) return undefined;
    forget(key);
    remember(key, entry.value, entry.weight);
    return entry.value;
  }

  return {
    known,
    of(key, weight, make) {
      // Asked by name: what was made may be undefined.
      if (recent.has(key)) return known(key) as T;
      const value = make();
      remember(key, value, weight);
      return value;
    },
  };
}
