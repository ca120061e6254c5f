/** For REPORT_TYPES in tests of the refusal: its sections wait for each other. */
import { z } from "zod";
import { defineReport, text } from "../../src/report-types/define-report.ts";

const output = text();
const prompt = () => [{ role: "user", content: "Write." }] as const;

export const aCyclicType = defineReport({
  type: "cyclic",
  version: 1,
  title: "Cyclic",
  source: z.object({ topic: z.string() }),
  credits: 1,
  budget: { usd: 1 },
  sections: [
    { key: "hen", title: "Hen", after: ["egg"], promptVersion: "1", output, prompt },
    { key: "egg", title: "Egg", after: ["hen"], promptVersion: "1", output, prompt },
  ],
  assemble: () => ({ title: "Cyclic", markdown: "" }),
});
