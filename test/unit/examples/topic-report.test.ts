import { expect, test } from "vitest";
import { topicReport } from "../../../examples/topic-report.ts";
import { lintReportType } from "../../../src/report-types/lint.ts";
import { planSections, readySections } from "../../../src/report-types/plan.ts";
import { checkSource } from "../../../src/report-types/source.ts";

const report = { id: "rp-0000000000000000000000001", type: "topic-report" } as const;

test("the topic report passes the boot lint with its sample", () => {
  expect(topicReport.sample).toBeDefined();
  expect(lintReportType(topicReport, { priceKnown: () => true })).toEqual([]);
});

test("a buyer may order by the topic alone", () => {
  expect(checkSource(topicReport, { topic: "Bees in cities" })).toMatchObject({
    ok: true,
    source: { topic: "Bees in cities", words: 700 },
  });
  expect(checkSource(topicReport, { topic: "x", words: 10 })).toMatchObject({
    ok: false,
    fields: [{ path: "topic" }, { path: "words" }],
  });
});

test("the summary is paid for after the report it sums up", () => {
  const planned = planSections(topicReport);
  expect(readySections(planned, {})).toEqual(["report"]);
  expect(readySections(planned, { report: "completed" })).toEqual(["executive-summary"]);
});

test("a reader meets the summary first, and one level of main headings", () => {
  const { title, markdown } = topicReport.assemble({
    report,
    source: { topic: "Bees in cities", words: 700 },
    facts: undefined,
    sections: [
      { key: "report", title: "Report", output: "Bees thrive.\n\n# Roofs\n\nText.", unreviewed: false },
      { key: "executive-summary", title: "Executive summary", output: "Keep bees.", unreviewed: false },
    ],
  });
  expect(title).toBe("Bees in cities");
  expect(markdown).toBe(
    "## Executive summary\n\nKeep bees.\n\n## Introduction\n\nBees thrive.\n\n## Roofs\n\nText.",
  );
});
