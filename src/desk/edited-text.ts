/** What a person has typed, read as the section's output or the order's data, with every mistake and where it stands. */
import type { FieldProblem } from "../domain/fleet-error.ts";
import type { ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { checkOutput } from "../report-types/check-output.ts";
import { checkSource } from "../report-types/source.ts";
import { jsonSchemaOf } from "../report-types/strict-schema.ts";
import type { StoredReport } from "../store/reports.ts";
import { authorOf } from "../workers/section-author.ts";
import { requireAuthor } from "./decide-case.ts";
import { failingPlace } from "./failing-place.ts";

export interface PlacedProblem extends FieldProblem {
  /** Characters of the text; null where it has no place in it. */
  place: { start: number; end: number; line: number } | null;
}

export type EditedText = { ok: true; value: unknown } | { ok: false; problems: PlacedProblem[] };

/** What an output of the case's section must be; null where today's version of the type has no such section. */
export type Expected = { kind: "text"; minChars: number } | { kind: "json"; schema: unknown };

export function expectedOutput(desk: Counter, stored: StoredReport, found: ReviewCase): Expected | null {
  const type = desk.types.get(stored.report.type);
  const author =
    type === undefined || found.section === null ? null : authorOf(type, stored.plan, found.section);
  if (author === null) return null;
  const { output } = author;
  return output.kind === "text"
    ? { kind: "text", minChars: output.minChars }
    : { kind: "json", schema: jsonSchemaOf(output) };
}

export function readEditedOutput(
  desk: Counter,
  stored: StoredReport,
  found: ReviewCase,
  text: string,
): EditedText {
  const { output } = requireAuthor(desk, stored, found);
  if (output.kind === "text") {
    const checked = checkOutput(output, text);
    if (checked.ok) return { ok: true, value: text };
    return { ok: false, problems: [{ path: "", message: `The text ${checked.message}.`, place: null }] };
  }
  const read = readJson(text);
  if (!read.ok) return read;
  const checked = checkOutput(output, read.value);
  return checked.ok ? read : { ok: false, problems: checked.problems.map((one) => placed(one, text)) };
}

export function readEditedSource(desk: Counter, stored: StoredReport, text: string): EditedText {
  const read = readJson(text);
  if (!read.ok) return read;
  const checked = checkSource(desk.types.require(stored.report.type), read.value);
  return checked.ok ? read : { ok: false, problems: checked.fields.map((one) => placed(one, text)) };
}

function readJson(text: string): EditedText {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    const place = failingPlace({ text, path: null, cut: false });
    const message = `It is no JSON: ${place?.says ?? "it cannot be read"}.`;
    return {
      ok: false,
      problems: [{ path: "", message, place: place === null ? null : withLine(place, text) }],
    };
  }
}

function placed({ path, message }: FieldProblem, text: string): PlacedProblem {
  const place = failingPlace({ text, path, cut: false });
  return { path, message, place: place === null ? null : withLine(place, text) };
}

function withLine({ start, end }: { start: number; end: number }, text: string) {
  return { start, end, line: text.slice(0, start).split("\n").length };
}
