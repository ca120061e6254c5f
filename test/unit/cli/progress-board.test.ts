import { expect, test } from "vitest";
import { boardLines, emptyScene, takeIn, type Frame, type Scene } from "../../../src/cli/progress-board.ts";
import { fitted } from "../../../src/cli/printable.ts";
import type { Snapshot } from "../../../src/producer/report-view.ts";
import { NO_SPEND } from "../../../src/domain/failure.ts";
import type { ReportId } from "../../../src/domain/ids.ts";

const frame: Frame = { width: 80, height: 24, beat: 3, paint: (_, text) => text };

function idOf(number: number): ReportId {
  return `rp-${String(number).padStart(25, "0")}`;
}

/** Of a report, only what the board looks at. */
function aSnapshot(number: number, statuses: readonly string[], status = "running"): Snapshot {
  const id = idOf(number);
  const sections = statuses.map((one, at) => ({
    report: id,
    key: `s${at}`,
    title: `Section ${at}`,
    weight: 1,
    status: one,
    retryAt: 95_000,
    because: "rate limited by the provider",
    failure: { message: "The model declined to answer." },
  }));
  const report = { id, type: "dependency-review", status, spend: { ...NO_SPEND, pending: 4_100 } };
  return { stored: { report }, sections, now: 5_000 } as unknown as Snapshot;
}

function sceneOf(...snapshots: Snapshot[]): Scene {
  const scene = emptyScene();
  for (const snapshot of snapshots) scene.snapshots.set(snapshot.stored.report.id, snapshot);
  return scene;
}

test("a person sees how far a report is, what it cost, and which call a section is in", () => {
  const scene = sceneOf(aSnapshot(1, ["completed", "running"]));
  const call = { report: idOf(1), section: "s1", call: "draft", take: 1, route: "r" };
  takeIn(scene, {
    id: "1-0",
    at: 1,
    report: idOf(1),
    event: {
      event: "call.answered",
      ...call,
      model: "m",
      inputTokens: 1,
      outputTokens: 1,
      micros: 3_000,
    } as never,
  });
  const [report, first, second] = boardLines(scene, frame);
  expect(report).toBe(`dependency-review  ${idOf(1)}   ${"━".repeat(7)}${"─".repeat(7)} 50 %   $0.0041`);
  expect(first).toMatch(/^ {2}Section 0 +━{14} done +$/);
  expect(second).toMatch(/^ {2}Section 1 · draft +─{3}━{4}─{7} +\$0\.0030$/);
});

test("what waits and what needs a person is said in words", () => {
  const lines = boardLines(sceneOf(aSnapshot(1, ["waiting_for_retry", "needs_review"])), frame);
  expect(lines).toContain("  Section 0: again in about 2 min, rate limited by the provider");
  expect(lines).toContain("  Section 1: The model declined to answer.");
});

test("no line is wider than the terminal, and no picture higher", () => {
  const many = Array.from({ length: 60 }, (_, number) =>
    aSnapshot(number, ["running"], number < 50 ? "completed" : "running"),
  );
  for (const width of [60, 80, 200]) {
    for (const scene of [sceneOf(...many), sceneOf(...many.slice(0, 4))]) {
      const lines = boardLines(scene, { ...frame, width });
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
      expect(lines.length).toBeLessThanOrEqual(22);
    }
  }
  const lines = boardLines(sceneOf(...many), frame);
  // Those that still move come first.
  expect(lines[0]).toContain(idOf(50));
  expect(lines.at(-1)).toContain("more");
});

test("a title cannot move the cursor or recolour the screen", () => {
  expect(fitted("Evil\u001B[2J\u001B[31m title\r\n\u202E!", 40).trimEnd()).toBe("Evil [2J [31m title !");
});
