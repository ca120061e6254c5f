/** The working day that `npm start` plays, on a fleet for tests. */
import { topicReport } from "../../examples/topic-report.ts";
import { playStory, STORY_FAULTS, STORY_TYPES, type StoryIds } from "../../scripts/demo/story.ts";
import { registerWebhook } from "../../src/webhooks/register-webhook.ts";
import { listCases } from "../../src/store/cases.ts";
import { startTestFleet, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";

export interface Story extends StoryIds {
  fleet: TestFleet;
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
    types: [topicReport, ...STORY_TYPES],
    faults: STORY_FAULTS,
    latency: { firstByteMs: [60, 300], perTokenMs: 0.3 },
    ...settings,
  });
  const { id: endpoint } = await registerWebhook(
    fleet.store,
    { account: null, url: "https://127.0.0.1:9/fleet", by: "mia (console)" },
    true,
  );
  const { ids, group } = await playStory(fleet.fleet.workshop);
  const [parkedCase] = await listCases(fleet.store, { report: ids.parked, limit: 1 });
  if (parkedCase === undefined) throw new Error("Nothing was parked.");
  return { fleet, ids, group, webhooks: [endpoint], case: parkedCase.id, caseGroup: parkedCase.group };
}
