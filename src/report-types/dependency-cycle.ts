/** The first cycle among `after` edges, as the keys along it (`a → b → a`), or undefined where there is none. */
export function dependencyCycle(
  sections: readonly { key: string; after: readonly string[] }[],
): string[] | undefined {
  const edges = new Map(sections.map((section) => [section.key, section.after]));
  const finished = new Set<string>();
  const path: string[] = [];

  function visit(key: string): string[] | undefined {
    if (finished.has(key)) return undefined;
    const start = path.indexOf(key);
    if (start >= 0) return [...path.slice(start), key];
    path.push(key);
    for (const next of edges.get(key) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    finished.add(key);
    return undefined;
  }

  for (const key of edges.keys()) {
    const cycle = visit(key);
    if (cycle) return cycle;
  }
  return undefined;
}
