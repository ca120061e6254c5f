/**
 * The data a report is written from, checked before anything is stored or spent.
 *
 * The snapshot is what the customer sent, in canonical JSON, not what the schema made of it: another version of the
 * type may read other fields, and a schema may turn text into values that have no JSON form. So each reader parses the
 * snapshot again (`sourceOf`), and a process remembers the last few.
 */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { canonicalJson } from "../domain/canonical-json.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { FieldProblem } from "../domain/fleet-error.ts";
import { DEFAULT_MAX_SOURCE_BYTES, HARD_MAX_SOURCE_BYTES } from "./define-report.ts";
import type { ReportType } from "./define-report.ts";
import { fieldPath, fieldProblems } from "./field-problems.ts";
import { rememberRecent } from "./remember-recent.ts";

export const MAX_SOURCE_DEPTH = 32;
export const MAX_SOURCE_KEYS = 200_000;
/** Enough for what a worker writes side by side, unless the sources are large; weighed by their canonical text. */
const REMEMBERED_SOURCES = { entries: 64, weight: 16 * 1_048_576 };
/** Nobody knows how large facts are. */
const REMEMBERED_FACTS = { entries: 8, weight: 8 };

export type SourceCheck =
  | { ok: true; source: unknown; canonical: string; hash: string; bytes: number }
  | { ok: false; code: "invalid_source" | "source_too_large"; fields: FieldProblem[] };

interface ShapeProblem {
  code: "invalid_source" | "source_too_large";
  field: FieldProblem;
}

export function checkSource(type: ReportType, raw: unknown): SourceCheck {
  const shape = shapeProblem(raw);
  if (shape) return { ok: false, code: shape.code, fields: [shape.field] };

  const canonical = canonicalJson(raw);
  const bytes = Buffer.byteLength(canonical);
  const limit = Math.min(type.maxSourceBytes ?? DEFAULT_MAX_SOURCE_BYTES, HARD_MAX_SOURCE_BYTES);
  if (bytes > limit) {
    const message = `has ${bytes} bytes as JSON; a ${type.type} takes at most ${limit}`;
    return { ok: false, code: "source_too_large", fields: [{ path: fieldPath([]), message }] };
  }

  const parsed = parse(type, raw);
  if (!parsed.success) return { ok: false, code: "invalid_source", fields: fieldProblems(parsed.error, raw) };
  const hash = createHash("sha256").update(canonical).digest("hex");
  return { ok: true, source: parsed.data, canonical, hash, bytes };
}

const sources = rememberRecent<unknown>(REMEMBERED_SOURCES);
const facts = rememberRecent<unknown>(REMEMBERED_FACTS);

/** As `sourceOf`, where this process has parsed it before; undefined where the snapshot has to be read. */
export function knownSource(type: ReportType, hash: string): unknown {
  return sources.known(memoryKey(type, hash));
}

/** A stored snapshot as this version of the type reads it; frozen, since every section of the process shares it. */
export function sourceOf(type: ReportType, canonical: string, hash: string): unknown {
  return sources.of(memoryKey(type, hash), canonical.length, () => {
    const raw: unknown = JSON.parse(canonical);
    const parsed = parse(type, raw);
    if (parsed.success) return deepFreeze(parsed.data);
    throw new FleetError(
      "invalid_source",
      `The source was taken in, but version ${type.version} of "${type.type}" does not accept it. Send corrected data.`,
      { fields: fieldProblems(parsed.error, raw) },
    );
  });
}

/** What `prepare` computes from the source, once per process; frozen like the source. */
export function factsOf(type: ReportType, source: unknown, hash: string): unknown {
  if (!type.prepare) return undefined;
  return facts.of(memoryKey(type, hash), 1, () => {
    try {
      return deepFreeze(type.prepare?.(source));
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new FleetError(
        "prepare_failed",
        `prepare of "${type.type}" version ${type.version} failed: ${cause}`,
        {
          cause: error,
        },
      );
    }
  });
}

function memoryKey(type: ReportType, hash: string): string {
  return `${type.type}@${type.version}:${hash}`;
}

function parse(type: ReportType, raw: unknown): z.ZodSafeParseResult<unknown> {
  try {
    return type.source.safeParse(raw);
  } catch (error) {
    // Customers' data must never make a schema throw; one that does is the author's to mend.
    const cause = error instanceof Error ? error.message : String(error);
    throw new FleetError("invalid_type", `The source schema of "${type.type}" failed: ${cause}`, {
      cause: error,
    });
  }
}

/**
 * Walks the value without recursion, before anything that recurses sees it: a hostile nesting must not become a stack
 * overflow, nor a hostile key a changed prototype.
 */
function shapeProblem(raw: unknown): ShapeProblem | undefined {
  if (raw === undefined) return refused([], "is missing");
  const open: { value: unknown; path: PropertyKey[] }[] = [{ value: raw, path: [] }];
  let keys = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path } = next;
    if (value === null || typeof value === "string" || typeof value === "boolean") continue;
    if (typeof value === "number") {
      if (!Number.isFinite(value)) return refused(path, `is ${value}, which has no JSON form`);
      continue;
    }
    if (value === undefined) continue;
    if (typeof value !== "object") return refused(path, `is a ${typeof value}, which has no JSON form`);
    if (path.length >= MAX_SOURCE_DEPTH)
      return refused(path, `is nested deeper than ${MAX_SOURCE_DEPTH} levels`);
    const isList = Array.isArray(value);
    for (const [key, inner] of Object.entries(value)) {
      keys += 1;
      if (keys > MAX_SOURCE_KEYS) {
        const message = `has more than ${MAX_SOURCE_KEYS} keys and list items`;
        return { code: "source_too_large", field: { path: fieldPath([]), message } };
      }
      if (key === "__proto__" || key === "constructor") {
        return refused([...path, key], "is a key that is not accepted; rename it");
      }
      open.push({ value: inner, path: [...path, isList ? Number(key) : key] });
    }
  }
  return undefined;
}

function refused(path: PropertyKey[], message: string): ShapeProblem {
  return { code: "invalid_source", field: { path: fieldPath(path), message } };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) {
    return value;
  }
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}
