/** What a person hands to a command: `@file`, `-` for stdin, or the JSON itself; and files with one order a line. */
import { readFileSync } from "node:fs";
import type { Priority } from "../domain/fairness.ts";
import { FleetError, type FieldProblem } from "../domain/fleet-error.ts";
import type { EpochMs } from "../domain/ids.ts";

/** The hard limit on a source is 4 MiB of canonical JSON; white space and a batch's other lines come on top. */
const LARGEST_INPUT_BYTES = 64 * 1_048_576;
const MOST_PROBLEMS = 20;

export async function readInput(given: string): Promise<unknown> {
  if (given === "-") return parseJson(await readStdin(), "Standard input");
  if (given.startsWith("@")) return parseJson(readText(given.slice(1)), given.slice(1));
  return parseJson(given, "--input");
}

/** One order of a batch file, with the number of its line, counted from 1. */
export interface BatchLine {
  line: number;
  source: unknown;
  idempotencyKey: string | undefined;
  /** Order it though an equal order is open. */
  again?: boolean;
  priority?: Priority | undefined;
  deliverBy?: EpochMs | undefined;
  callback?: string | undefined;
}

/**
 * Each line is a source, or `{ "source": …, "idempotencyKey": "…" }`. A line with exactly these fields is never a
 * source of its own: whoever sells a type with a field `source` writes the long form.
 */
export async function readBatch(file: string): Promise<BatchLine[]> {
  const text = file === "-" ? await readStdin() : readText(file);
  const lines: BatchLine[] = [];
  const problems: FieldProblem[] = [];
  for (const [index, content] of text.split("\n").entries()) {
    if (content.trim() === "") continue;
    const line = index + 1;
    try {
      lines.push({ line, ...orderOf(JSON.parse(content)) });
    } catch (error) {
      problems.push({ path: `line ${line}`, message: messageOf(error) });
    }
  }
  refuseBatch(problems);
  if (lines.length === 0)
    throw new FleetError("usage", `${file} holds no orders; put one JSON value on each line.`);
  return lines;
}

/** All or nothing: whoever mends a bad line and sends the file again must not order the good ones twice. */
export function refuseBatch(problems: readonly FieldProblem[]): void {
  if (problems.length === 0) return;
  const lines = new Set(problems.map(({ path }) => path.split(":")[0])).size;
  const shown = problems.slice(0, MOST_PROBLEMS);
  const more = problems.length - shown.length;
  throw new FleetError(
    "invalid_source",
    `${lines} ${lines === 1 ? "line" : "lines"} of the batch cannot be used. Nothing was ordered; correct and submit the file again.`,
    { fields: more > 0 ? [...shown, { path: "(further lines)", message: `and ${more} more` }] : shown },
  );
}

function orderOf(value: unknown): Omit<BatchLine, "line"> {
  if (typeof value !== "object" || value === null || !("source" in value))
    return { source: value, idempotencyKey: undefined };
  const others = Object.keys(value).filter((name) => name !== "source" && name !== "idempotencyKey");
  if (others.length > 0) return { source: value, idempotencyKey: undefined };
  const key = "idempotencyKey" in value ? value.idempotencyKey : undefined;
  if (key !== undefined && typeof key !== "string") throw new TypeError("idempotencyKey is not a text");
  return { source: value.source, idempotencyKey: key };
}

function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const hint = from === "--input" ? " Give a file as @file.json, or standard input as -." : "";
    throw new FleetError("usage", `${from} is not JSON: ${messageOf(cause)}.${hint}`, { cause });
  }
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new FleetError("usage", `The file ${file} cannot be read: ${messageOf(cause)}.`, { cause });
  }
  return decoded(bytes, file);
}

export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > LARGEST_INPUT_BYTES) break;
  }
  return decoded(Buffer.concat(chunks), "Standard input");
}

function decoded(bytes: Buffer, from: string): string {
  if (bytes.length > LARGEST_INPUT_BYTES) {
    throw new FleetError("source_too_large", `${from} has more than ${LARGEST_INPUT_BYTES} bytes.`);
  }
  try {
    // Drops a byte-order mark, and refuses bytes that would silently become something else.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FleetError("usage", `${from} is not UTF-8 text.`, { cause });
  }
}

/** JSON.parse quotes the text it failed at, which may be a customer's; its first words say enough. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/, "[\s\S]*" is not valid JSON$/, "").replace(/\.$/, "");
}
