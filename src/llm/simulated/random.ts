import { createHash } from "node:crypto";

/** Numbers in [0, 1) that depend on the text alone: the same question gets the same answer, in every process. */
export function seededRandom(text: string): () => number {
  let state = createHash("sha256").update(text).digest().readUInt32LE(0);
  // Mulberry32: small, and good enough to choose sentences with.
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The same items in an order of their own. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
