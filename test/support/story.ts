/**
 * A fleet in the middle of a working day, for pages to be looked at and walked through: reports in every status, a group
 * of failures with one cause, a type that broke, and money spent well and badly. Everything in it has really happened.
 */
import { topicReport } from "../../examples/topic-report.ts";
import { cancelReport, rejectReport } from "../../src/desk/end-by-person.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import { registerWebhook } from "../../src/webhooks/register-webhook.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { listCases } from "../../src/store/cases.ts";
import { startTestFleet, type FaultRule, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { briefType } from "./report-types/brief-type.ts";

const BRIEF = "market-brief";
const BROKEN = "price-watch";

const FAULTS: FaultRule[] = [
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

export interface Story {
  fleet: TestFleet;
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
  /** Ids of endpoints that are told what happens; nobody listens there. */
  webhooks: string[];
  /** The case of `parked`, and the group it is in. */
  case: string;
  caseGroup: string;
}

export async function tellStory(
  settings: Pick<TestFleetSettings, "redisUrl" | "fleet"> & Partial<TestFleetSettings>,
): Promise<Story> {
  const fleet = await startTestFleet({
    types: [topicReport, briefType(BRIEF, "Market brief"), briefType(BROKEN, "Price watch")],
    faults: FAULTS,
    latency: { firstByteMs: [60, 300], perTokenMs: 0.3 },
    ...settings,
  });
  const { id: endpoint } = await registerWebhook(
    fleet.store,
    { account: null, url: "https://127.0.0.1:9/fleet", by: "mia (console)" },
    true,
  );
  await fleet.grant("acme", 500);
  await fleet.grant("globex", 200);
  await fleet.grant("initech", 40);
  const order = (account: string, topic: string, type = BRIEF, tags: Record<string, string> = {}) =>
    fleet.submit({ account, type, source: { topic }, tags });

  const delivered = await order("acme", "offshore wind in the North Sea", BRIEF, {
    order: "A-1042",
    desk: "energy",
  });
  const repaired = await order("acme", "copper recycling", BRIEF, { order: "A-1043" });
  const bumpy = await order("globex", "night trains in Europe");
  const refined = await order("acme", "Automating invoice checks in mid-sized companies", "topic-report", {
    order: "A-1044",
  });
  for (const id of [delivered, repaired, bumpy, refined]) await fleet.reaches(id, "completed");

  // One after the other with something good between, or the type would stop as it should.
  let between = 0;
  async function parkedFor(account: string, topic: string, tags: Record<string, string> = {}) {
    const id = await order(account, topic, BRIEF, tags);
    await fleet.reaches(id, "needs_review");
    between += 1;
    await fleet.reaches(await order("acme", `tramways, part ${between}`), "completed");
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
  const desk = fleet.fleet.workshop;
  await deliverPartial(desk, partial, { by: "mia (console)", why: "the customer needs it today" });
  await rejectReport(desk, rejected, { by: "mia (console)", why: "the customer withdrew" });

  const running = await order("globex", "harbour dredging", BRIEF, { order: "G-77" });
  const cancelled = await order("acme", "harbour dredging and its price");
  await cancelReport(desk, cancelled, { by: "mia (console)", why: "ordered twice" });
  const broken = await order("globex", "aluminium", BROKEN);
  await fleet.reaches(broken, "needs_review", "waiting_for_retry");
  await fleet.reaches(running, "running");
  const [parked] = group;
  const [parkedCase] = parked === undefined ? [] : await listCases(fleet.store, { report: parked, limit: 1 });
  if (parked === undefined || parkedCase === undefined) throw new Error("Nothing was parked.");
  return {
    fleet,
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
    webhooks: [endpoint],
    case: parkedCase.id,
    caseGroup: parkedCase.group,
  };
}
