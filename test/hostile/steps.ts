/** The moments at which a call is made, each with the report type that gets there and what has to come first. */
import type { ReportType } from "../../src/report-types/define-report.ts";
import { aChainedType, aPlannedType, aSteppedType } from "../support/report-types/index.ts";
import { completion, reply, well, type Asked, type Misbehaviour } from "./raw-provider.ts";

export interface Step {
  type: ReportType;
  /** Calls of the step carry this mark. */
  mark: string;
  /** What the first call with the mark is answered, where the step comes after it. */
  before?: Misbehaviour;
}

const wrongShape: Misbehaviour = (socket, asked) =>
  reply(
    socket,
    JSON.stringify(completion(asked, { message: { role: "assistant", content: '{"no":"points"}' } })),
  );
const cutByLength: Misbehaviour = (socket, asked) =>
  reply(
    socket,
    JSON.stringify(
      completion(asked, {
        finish_reason: "length",
        message: { role: "assistant", content: "It begins well and then there is" },
      }),
    ),
  );
const unavailable: Misbehaviour = (socket) =>
  reply(socket, '{"error":{"message":"Unavailable."}}', { status: "503 Service Unavailable" });

export const STEPS: Readonly<Record<string, Step>> = {
  "the first call": { type: aSteppedType, mark: "stepped/body/draft" },
  "a later call": { type: aSteppedType, mark: "stepped/body/polish" },
  "a repair": { type: aChainedType, mark: "chained/outline/write", before: wrongShape },
  "a continuation": { type: aSteppedType, mark: "stepped/body/draft", before: cutByLength },
  "a probe": { type: aSteppedType, mark: "stepped/body/draft", before: unavailable },
  "a plan": { type: aPlannedType, mark: "planned/plan/plan" },
};

/** Who answers: well, what comes before the step, or the misbehaviour. */
export function responderOf({ mark, before }: Step, misbehave: Misbehaviour): (asked: Asked) => Misbehaviour {
  let marked = 0;
  return ({ prompt }) => {
    if (!prompt.includes(`[[${mark}]]`)) return well;
    marked += 1;
    return marked === 1 && before !== undefined ? before : misbehave;
  };
}
