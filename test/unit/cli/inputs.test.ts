import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readBatch, readInput } from "../../../src/cli/inputs.ts";
import { duration, usd, wholeNumber } from "../../../src/cli/options.ts";

function scratchFile(content: string | Buffer): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "input.json");
  writeFileSync(path, content);
  return path;
}

test("a source is read from JSON on the command line, and from a file with a byte-order mark", async () => {
  expect(await readInput('{"a":1}')).toEqual({ a: 1 });
  expect(await readInput(`@${scratchFile('\uFEFF{"a":2}')}`)).toEqual({ a: 2 });
});

test("bytes that are not UTF-8 are refused instead of silently changed", async () => {
  await expect(readInput(`@${scratchFile(Buffer.from([0x22, 0xff, 0x22]))}`)).rejects.toThrow(
    "is not UTF-8 text",
  );
});

test("an error about a source never repeats the source", async () => {
  await expect(readInput('{"name":"Mrs. Secret", oops}')).rejects.toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("Secret") as string }) as Error,
  );
});

test("a batch line is a source, or a source with its key; other objects with a source field are sources", async () => {
  const file = scratchFile(
    '{"topic":"a"}\n\n{"source":{"topic":"b"},"idempotencyKey":"k"}\n{"source":"x","of":"y"}\n7',
  );
  expect(await readBatch(file)).toEqual([
    { line: 1, source: { topic: "a" }, idempotencyKey: undefined },
    { line: 3, source: { topic: "b" }, idempotencyKey: "k" },
    { line: 4, source: { source: "x", of: "y" }, idempotencyKey: undefined },
    { line: 5, source: 7, idempotencyKey: undefined },
  ]);
});

test("an empty batch and a key that is no text are refused", async () => {
  await expect(readBatch(scratchFile("\n \n"))).rejects.toThrow("holds no orders");
  await expect(readBatch(scratchFile('{"source":{},"idempotencyKey":7}'))).rejects.toMatchObject({
    fields: [{ path: "line 1", message: "idempotencyKey is not a text" }],
  });
});

test("durations, amounts and counts mean what a person writes, and nothing else", () => {
  expect(["90s", "30m", "1h", "250ms", "5", "1.5s"].map(duration)).toEqual([
    90_000, 1_800_000, 3_600_000, 250, 5_000, 1_500,
  ]);
  for (const wrong of ["0", "-5s", "5 days", "25h", ""])
    expect(() => duration(wrong)).toThrow("Expected a duration");
  expect(usd("0.50")).toBe(0.5);
  for (const wrong of ["0", "-1", "", "a lot", "Infinity"]) expect(() => usd(wrong)).toThrow("US dollars");
  expect(wholeNumber(1, 10)("7")).toBe(7);
  for (const wrong of ["0", "11", "1.5", "1e1", "", "-1"])
    expect(() => wholeNumber(1, 10)(wrong)).toThrow("1 to 10");
});
