/**
 * Reads one JSON value that a model wrote carelessly, starting at a bracket.
 *
 * The bar is that a reader who sees the text would have no second opinion. A closer of the wrong kind (`[1, 2}`) has
 * several readings: it may be swapped, or its own closer may be missing before it, or it is stray. All of them are tried,
 * and only if every one that gets through gives the same value is it used.
 */
import { LooseReader, OPTIONS, type LooseReading } from "./loose-reader.ts";
import { fitsSchema, sameJson } from "./schema-hint.ts";
import type { ReadSchema } from "./schema-hint.ts";

/** 3 readings for each of a handful of wrong closers. */
const MAX_READINGS = 120;

export function looseJson(text: string, schema: ReadSchema, start = 0): LooseReading {
  const found: Extract<LooseReading, { outcome: "read" }>[] = [];
  let why = "";
  let pending: number[][] = [[]];
  for (let count = 0; pending.length > 0; count += 1) {
    if (count >= MAX_READINGS) return { outcome: "unreadable", why: "too many brackets do not match" };
    const choices = pending.pop() ?? [];
    const reader = new LooseReader(text, schema, choices);
    const reading = reader.read(start);
    // The reader took the first option wherever `choices` ran out; the other options are readings of their own.
    for (let at = choices.length; at < reader.taken.length; at += 1)
      for (let option = 1; option < OPTIONS; option += 1)
        pending = [...pending, [...reader.taken.slice(0, at), option]];
    if (reading.outcome === "read") found.push(reading);
    else why = why === "" ? reading.why : why;
  }
  // A reading that ends where the text goes on with the next element took a bracket for the wrong one.
  const whole = found.filter((reading) => !GOES_ON.test(text.slice(reading.end, reading.end + 200)));
  const fitting = whole.filter((reading) => fitsSchema(reading.value, schema));
  const readings = fitting.length > 0 ? fitting : found;
  const [first] = readings;
  if (first === undefined) return { outcome: "unreadable", why: why || "the brackets do not match" };
  if (readings.some((other) => !sameJson(other.value, first.value)))
    return { outcome: "unreadable", why: "the brackets can be read in two ways" };
  // The reading that consumed most leaves no stray closers behind for the caller to wonder about.
  return readings.reduce((best, other) => (other.end > best.end ? other : best), first);
}

const GOES_ON = /^[\s}\]]{0,50},\s{0,50}["'“{[\d]/;
