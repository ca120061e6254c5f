import { expect, test } from "vitest";
import { FLEET_ERROR_CODES, FleetError } from "../../../src/domain/fleet-error.ts";
import { failWith } from "../../../src/cli/errors.ts";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { openOutput, type Output } from "../../../src/cli/output.ts";

function capture(options: {
  json: boolean;
  terminal?: boolean;
}): Output & { stdout: string; stderr: string } {
  const written = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    isTTY: options.terminal,
    write(text: string) {
      written[name] += text;
      return true;
    },
  });
  const output = openOutput({ json: options.json }, { stdout: stream("stdout"), stderr: stream("stderr") });
  return {
    ...output,
    get stdout() {
      return written.stdout;
    },
    get stderr() {
      return written.stderr;
    },
  };
}

const rows = [
  { id: "rp-1", credits: 5 },
  { id: "rp-12", credits: 120 },
];
const columns = [
  { title: "id", value: (row: (typeof rows)[number]) => row.id },
  { title: "credits", value: (row: (typeof rows)[number]) => String(row.credits), align: "right" as const },
];

test("a list reads as a table with the numbers aligned", () => {
  const output = capture({ json: false });
  output.list(rows, columns);
  expect(output.stdout).toBe("ID     CREDITS\nrp-1         5\nrp-12      120\n");
});

test("with --json a list is one object with its rows under data", () => {
  const output = capture({ json: true });
  output.list(rows, columns);
  expect(JSON.parse(output.stdout)).toEqual({ data: rows });
});

test("what is said to a person never gets into a pipe", () => {
  const output = capture({ json: false });
  output.talk("hello");
  expect(output.stdout).toBe("");
  expect(output.stderr).toBe("hello\n");
});

test("colour is for terminals only", () => {
  expect(capture({ json: false }).paint("red", "x")).toBe("x");
});

test("an error is one sentence and one exit code", () => {
  const output = capture({ json: false });
  const code = failWith(output, new FleetError("insufficient_credits", "Account acme has 2 credits of 5."));
  expect(code).toBe(EXIT.insufficientCredits);
  expect(output.stderr).toBe("error: Account acme has 2 credits of 5.\n");
});

test("a rejected source names every wrong field, each on its own line", () => {
  const output = capture({ json: false });
  const fields = [
    { path: "topic", message: "is missing" },
    { path: "words", message: "is too large" },
  ];
  failWith(output, new FleetError("invalid_source", "The source does not fit.", { fields }));
  expect(output.stderr).toContain("  topic: is missing\n  words: is too large\n");
});

test("with --json an error is JSON on stderr, for programs", () => {
  const output = capture({ json: true });
  expect(failWith(output, new FleetError("unknown_type", "There is no such type."))).toBe(EXIT.notFound);
  expect(JSON.parse(output.stderr)).toEqual({
    error: { code: "unknown_type", message: "There is no such type." },
  });
  expect(output.stdout).toBe("");
});

test("no error of any kind ends with success", () => {
  const codes = FLEET_ERROR_CODES.map((code) =>
    failWith(capture({ json: true }), new FleetError(code, "It went wrong.")),
  );
  expect(codes).not.toContain(EXIT.ok);
  expect(failWith(capture({ json: true }), new TypeError("a bug"))).toBe(EXIT.error);
});
