/**
 * A working day of a fleet, for pages to be looked at and walked through: reports in every status, a group of failures
 * with one cause, a type that stopped, and money spent well and badly. Everything in it really happens: the simulated
 * provider answers some questions badly, and people decide about what follows.
 */
import { setTimeout as pause } from "node:timers/promises";
import { topicReport } from "../../examples/topic-report.ts";
import { cancelReport, rejectReport } from "../../src/desk/end-by-person.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import type { ReportStatus } from "../../src/domain/report.ts";
import type { FaultRule } from "../../src/llm/simulated/faults.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import type { ReportType } from "../../src/report-types/define-report.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { listReports, readReport } from "../../src/store/reports.ts";
import type { Workshop } from "../../src/workers/session.ts";
import { briefType } from "./brief-type.ts";

export const BRIEF = "market-brief";
const BROKEN = "price-watch";

export const STORY_FAULTS: FaultRule[] = [
  {
    match: { contains: "[[market-brief/figures/write]] Name figures about container" },
    fault: { kind: "wrong_schema" },
  },
  {
    match: { contains: "[[market-brief/figures/write]] Name figures about copper" },
    fault: { kind: "malformed" },
    times: 1,
  },
  { match: { contains: "[[market-brief/body/write]] Write about a medical" }, fault: { kind: "refusal" } },
  {
    match: { contains: "[[market-brief/body/write]] Write about night trains" },
    fault: { kind: "server_error", status: 503 },
    times: 2,
  },
  {
    match: { contains: "[[market-brief/close/write]] Close a text about harbour dredging" },
    fault: { kind: "hang" },
  },
  {
    match: { contains: "[[price-watch/" },
    fault: {
      kind: "status",
      status: 400,
      body: {
        error: {
          message: "Unsupported parameter: 'temperature' is not supported with this model.",
          type: "invalid_request_error",
          param: "temperature",
          code: "unsupported_parameter",
        },
      },
    },
  },
];

export const STORY_TYPES: readonly ReportType[] = [
  briefType(BRIEF, "Market brief"),
  briefType(BROKEN, "Price watch"),
];

export interface StoryIds {
  /** One report of each sort. */
  ids: Record<
    | "delivered"
    | "repaired"
    | "bumpy"
    | "partial"
    | "parked"
    | "refused"
    | "broken"
    | "running"
    | "cancelled"
    | "rejected"
    | "refined",
    ReportId
  >;
  /** All that were parked for the same reason, `parked` among them. */
  group: ReportId[];
}

const LOOK_EVERY_MS = 50;

/** Whether it was played on this fleet before. */
export async function wasPlayed({ store }: Pick<Workshop, "store">): Promise<boolean> {
  return (await listReports(store, { account: "globex", limit: 1 })).length > 0;
}

/** Needs `STORY_TYPES`, `topicReport` and a provider with `STORY_FAULTS`. Rejects once the signal is aborted. */
export async function playStory(desk: Workshop, signal?: AbortSignal): Promise<StoryIds> {
  const { store } = desk;
  for (const [account, credits] of [
    ["acme", 500],
    ["globex", 200],
    ["initech", 40],
  ] as const)
    await grantCredits(store, {
      account,
      credits,
      reference: "story",
      by: "mia (console)",
      why: "the invoice is paid",
    });

  async function order(account: string, topic: string, type = BRIEF, tags: Record<string, string> = {}) {
    signal?.throwIfAborted();
    return (await submitReport(desk, { account, type, source: { topic }, tags })).id;
  }
  async function reaches(id: ReportId, ...statuses: ReportStatus[]): Promise<void> {
    for (;;) {
      const stored = await readReport(store, id);
      if (stored !== null && statuses.includes(stored.report.status)) return;
      await pause(LOOK_EVERY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  const delivered = await order("acme", "offshore wind in the North Sea", BRIEF, {
    order: "A-1042",
    desk: "energy",
  });
  const repaired = await order("acme", "copper recycling", BRIEF, { order: "A-1043" });
  const bumpy = await order("globex", "night trains in Europe");
  const refined = await order("acme", "Automating invoice checks in mid-sized companies", topicReport.type, {
    order: "A-1044",
  });
  for (const id of [delivered, repaired, bumpy, refined]) await reaches(id, "completed");

  // One after the other with something good between, or the type would stop as it should.
  let between = 0;
  async function parkedFor(account: string, topic: string, tags: Record<string, string> = {}) {
    const id = await order(account, topic, BRIEF, tags);
    await reaches(id, "needs_review");
    between += 1;
    await reaches(await order("acme", `tramways, part ${between}`), "completed");
    return id;
  }
  const group: ReportId[] = [];
  for (const [account, port] of [
    ["acme", "Rotterdam"],
    ["globex", "Antwerp"],
    ["acme", "Hamburg"],
    ["initech", "Gdansk"],
  ] as const)
    group.push(await parkedFor(account, `container freight through ${port}`, { order: `F-${port}` }));
  const refused = await parkedFor("globex", "a medical device recall");
  const partial = await parkedFor("acme", "container freight through Genoa");
  const rejected = await parkedFor("initech", "container freight through Split");
  await deliverPartial(desk, partial, { by: "mia (console)", why: "the customer needs it today" });
  await rejectReport(desk, rejected, { by: "mia (console)", why: "the customer withdrew" });

  const running = await order("globex", "harbour dredging", BRIEF, { order: "G-77" });
  const cancelled = await order("acme", "harbour dredging and its price");
  await cancelReport(desk, cancelled, { by: "mia (console)", why: "ordered twice" });
  const broken = await order("globex", "aluminium", BROKEN);
  await reaches(broken, "needs_review", "waiting_for_retry");
  await reaches(running, "running");
  const [parked] = group;
  if (parked === undefined) throw new Error("Nothing was parked.");
  return {
    ids: {
      delivered,
      repaired,
      bumpy,
      partial,
      parked,
      refused,
      broken,
      running,
      cancelled,
      rejected,
      refined,
    },
    group,
  };
}
