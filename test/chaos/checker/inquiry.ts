/** What a check has looked at and what it found wrong, each with the id of what it is about. */
export interface Violation {
  of: string;
  what: string;
}

export interface Verdict {
  checked: number;
  violations: Violation[];
}

export class Inquiry {
  #checked = 0;
  readonly #violations: Violation[] = [];

  /** One thing looked at; where it does not hold, `what` says what is there instead. */
  must(holds: boolean, of: string | number, what: string): void {
    this.#checked += 1;
    if (!holds) this.#violations.push({ of: String(of), what });
  }

  verdict(): Verdict {
    return { checked: this.#checked, violations: this.#violations };
  }
}

/** An interval in which nobody could rely on the clock of the store, or on its answers. */
export interface Span {
  from: number;
  to: number;
}

export function overlaps(span: Span, from: number, to: number): boolean {
  return span.from <= to && from <= span.to;
}

export function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
