import { expect, test } from "vitest";
import { csv } from "../../../src/console/csv.ts";

test("names that a spreadsheet would calculate stay names, and quotes and commas stay inside their cell", () => {
  expect(
    csv(
      ["who", "credits"],
      [
        ["=1+1", -3],
        ['say "a,b"', 2],
        ["@x", 0],
      ],
    ),
  ).toBe(`who,credits\r\n'=1+1,-3\r\n"say ""a,b""",2\r\n'@x,0\r\n`);
});
