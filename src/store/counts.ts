/** Reads what `count.ts` counts. */
import type { Store } from "./redis.ts";

export interface Counts {
  /** `<metric>|<label values…>` → what was counted, in whole units of the store: calls, credits, micro-USD. */
  counters: Map<string, number>;
  /** `<metric>|<label values…>` → how many fell into each slot, and their sum. */
  histograms: Map<string, Slots>;
  /** What was taken back from a counter and is not made up for yet. */
  owed: Map<string, number>;
}

export interface Slots {
  /** Upper bound → how many lie between it and the bound before; `Infinity` for those above all. */
  below: Map<number, number>;
  sum: number;
}

export async function readCounts(store: Store): Promise<Counts> {
  return countsFrom(await store.redis.hgetall(store.keys.counts));
}

export function countsFrom(fields: Readonly<Record<string, string>>): Counts {
  const counts: Counts = { counters: new Map(), histograms: new Map(), owed: new Map() };
  for (const [field, text] of Object.entries(fields)) {
    const value = Number(text);
    const slot = /^(.*)\|(?:le:(\d+|inf)|sum)$/.exec(field);
    if (slot !== null) {
      const [, name = "", bound] = slot;
      const slots = counts.histograms.get(name) ?? { below: new Map<number, number>(), sum: 0 };
      if (bound === undefined) slots.sum = value;
      else slots.below.set(bound === "inf" ? Number.POSITIVE_INFINITY : Number(bound), value);
      counts.histograms.set(name, slots);
    } else if (field.startsWith("-")) counts.owed.set(field.slice(1), value);
    else counts.counters.set(field, value);
  }
  return counts;
}
