/** Says of a failed zod check which field is wrong and what it should be, in words for whoever sent the value. */
import type { z } from "zod";
import type { FieldProblem } from "../domain/fleet-error.ts";

/** More would not be read; the rest is counted. */
const MOST_FIELDS = 50;

export function fieldProblems(error: z.ZodError, value: unknown): FieldProblem[] {
  const all = error.issues.flatMap((issue) => problemsOf(issue, [], value));
  if (all.length <= MOST_FIELDS) return all;
  const rest = all.length - MOST_FIELDS;
  return [...all.slice(0, MOST_FIELDS), { path: fieldPath([]), message: `and ${rest} more` }];
}

/** `packages["node_modules/a b"].version`, `sections[2].title`; the root is `(all of it)`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(all of it)";
  return path
    .map((key, index) => {
      if (typeof key === "number") return `[${key}]`;
      const name = String(key);
      if (/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(name)) return index === 0 ? name : `.${name}`;
      return `[${JSON.stringify(name)}]`;
    })
    .join("");
}

function problemsOf(issue: z.core.$ZodIssue, outer: readonly PropertyKey[], value: unknown): FieldProblem[] {
  const path = [...outer, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: fieldPath([...path, key]), message: "is not a known field" }));
  }
  if (issue.code === "invalid_union") {
    // The form that fits best is the one most likely meant; listing every form's faults would bury it.
    const nearest = issue.errors.toSorted((a, b) => a.length - b.length)[0];
    if (nearest && nearest.length > 0) return nearest.flatMap((inner) => problemsOf(inner, path, value));
  }
  if (issue.code === "invalid_type" && valueAt(value, path) === undefined) {
    return [{ path: fieldPath(path), message: `is missing; expected ${issue.expected}` }];
  }
  return [{ path: fieldPath(path), message: issue.message }];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[key];
  }
  return current;
}
