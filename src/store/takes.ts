/** The checkpoints of a report as a person's decision reads them: every stored answer with its take, judged or not. */
import type { Answer, TakeState } from "../domain/call.ts";
import type { MicroUsd, ReportId } from "../domain/ids.ts";
import { readAskFields, readCallField, readCallFields } from "./pack-report.ts";
import { unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { STEP_FIELD, TAKE_FIELD } from "./stored-text.ts";

export interface StoredTake {
  callKey: string;
  take: number;
  state: TakeState;
  answer: Answer;
}

/** The newest answer under a call key; null where none was ever recorded, or where it is damaged. */
export async function readTake(store: Store, report: ReportId, callKey: string): Promise<StoredTake | null> {
  const current = await readCallField(store, report, callKey);
  const match = /^(\d+):([a-z]+):\d+$/.exec(current?.toString() ?? "");
  if (match === null) return null;
  // An opened take without an answer yet leaves the one before it as the newest that can be read.
  for (let take = Number(match[1]); take >= 1; take--) {
    const answer = await readAnswer(store, report, callKey, take);
    if (answer === null) continue;
    const state = take === Number(match[1]) ? (match[2] as TakeState) : "rejected";
    return { callKey, take, state, answer };
  }
  return null;
}

export async function readAnswer(
  store: Store,
  report: ReportId,
  callKey: string,
  take: number,
): Promise<Answer | null> {
  const packed = await readCallField(store, report, `${callKey}#${take}`);
  const unpacked = packed === null ? null : unpack(packed);
  return unpacked?.ok ? (JSON.parse(unpacked.text) as Answer) : null;
}

export interface Checkpoints {
  takes: StoredTake[];
  /** Step key → its result. */
  steps: Record<string, unknown>;
}

/** Everything that was ever answered or computed for a report. */
export async function readCheckpoints(store: Store, report: ReportId): Promise<Checkpoints> {
  const fields = await readCallFields(store, report);
  const takes: StoredTake[] = [];
  const steps: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const of = TAKE_FIELD.exec(name);
    if (of === null && !STEP_FIELD.test(name)) continue;
    const unpacked = unpack(value);
    if (!unpacked.ok) continue;
    if (of === null) {
      steps[name] = JSON.parse(unpacked.text);
      continue;
    }
    const callKey = of[1] ?? "";
    const take = Number(of[2]);
    const [current, state] = (fields[callKey]?.toString() ?? "").split(":");
    takes.push({
      callKey,
      take,
      state: Number(current) === take ? (state as TakeState) : "rejected",
      answer: JSON.parse(unpacked.text) as Answer,
    });
  }
  takes.sort((a, b) => (a.callKey < b.callKey ? -1 : a.callKey > b.callKey ? 1 : a.take - b.take));
  return { takes, steps };
}

/** What the latest request under a call key was estimated to cost; null where none was made. */
export async function readCallCost(
  store: Store,
  report: ReportId,
  callKey: string,
): Promise<MicroUsd | null> {
  const rows = Object.values(await readAskFields(store, report));
  const costs = rows.flatMap((row) => {
    const [, estimate, , takeKey] = row.split("|");
    return takeKey?.startsWith(`${callKey}#`) === true ? [Number(estimate)] : [];
  });
  return costs.length === 0 ? null : Math.max(...costs);
}
