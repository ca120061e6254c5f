import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { FleetEvent } from "../../../src/domain/events.ts";
import { logEvent } from "../../../src/observability/log-events.ts";

const CANARY = "canary-marmalade";
const report = "rp-0000000000000000000000001" as const;
const failure = {
  kind: "workflow",
  code: "assembly_failed",
  scope: "type",
  message: `could not print ${CANARY}`,
  fingerprint: "0123456789abcdef",
  rule: "domain/assembly-failed",
} as const;

function logged(event: FleetEvent): { text: string; line: Record<string, unknown> } {
  let text = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString("utf8");
      done();
    },
  });
  logEvent(pino({ level: "trace" }, sink), event);
  return { text, line: JSON.parse(text) as Record<string, unknown> };
}

test("a log line names a failure by what it is, and leaves a report type's own words in the store", () => {
  const { text, line } = logged({
    event: "section.status",
    report,
    section: "intro",
    type: "topic",
    status: "needs_review",
    because: failure.message,
    failure,
  });
  expect(text).not.toContain(CANARY);
  expect(line).toMatchObject({
    report,
    section: "intro",
    failure: { kind: "workflow", code: "assembly_failed", fingerprint: failure.fingerprint },
    msg: "section.status",
  });
});

test("what a person wrote as a reason stays out of logs; who did what is in them", () => {
  const { text, line } = logged({ event: "spending.stopped", reason: `because of ${CANARY}`, by: "ada" });
  expect(text).not.toContain(CANARY);
  expect(line).toMatchObject({ by: "ada", msg: "spending.stopped" });
});

test("a field that no event is known to have is not logged", () => {
  const event = { event: "spending.started", by: "ada", prompt: CANARY } as FleetEvent;
  expect(logged(event).text).not.toContain(CANARY);
});
