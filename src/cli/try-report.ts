/**
 * Writes one report with a fleet of its own that is gone afterwards: what an author runs before selling a type. On
 * REDIS_URL it works under a name nobody else has and removes its keys, elsewhere it brings a Redis for the moment.
 */
import { randomUUID } from "node:crypto";
import type { Config } from "../config.ts";
import type { Redis } from "ioredis";
import { startSimulatedProvider } from "../llm/simulated-provider.ts";
import type { Models } from "../llm/models.ts";
import { submitReport } from "../producer/submit-report.ts";
import type { ReportType } from "../report-types/define-report.ts";
import { registryOf } from "../report-types/registry.ts";
import { grantCredits } from "../store/credits.ts";
import { connectForCommand } from "../store/redis.ts";
import { startFleet } from "../workers/fleet.ts";
import type { Terminal } from "./command.ts";
import { simulatedModels } from "./configured.ts";
import { startPrivateRedis } from "./private-redis.ts";
import { readDocument } from "../producer/read-document.ts";
import type { Document } from "../producer/render-artefact.ts";
import type { Snapshot } from "../producer/report-view.ts";
import { watchUntilEnded } from "./watch-until-ended.ts";

const ACCOUNT = "try";

export interface Tried {
  snapshot: Snapshot | undefined;
  /** Null where it was not delivered; the snapshot says why. */
  document: Document | null;
}

/** Without models of a real provider it is written by the simulated one. */
export async function tryReport(
  terminal: Terminal,
  config: Config,
  type: ReportType,
  source: unknown,
  liveModels: Models | null,
): Promise<Tried> {
  const fleetName = `try-${randomUUID().slice(0, 8)}`;
  const own = config.redisUrl === null ? await startPrivateRedis() : null;
  const redisUrl = own?.url ?? config.redisUrl ?? "";
  const provider = liveModels === null ? await startSimulatedProvider() : null;
  try {
    const fleet = await startFleet({
      redisUrl,
      fleet: fleetName,
      roles: ["orchestrator", "worker"],
      concurrency: config.concurrency,
      types: registryOf([type]),
      models: liveModels ?? simulatedModels(config, provider?.url ?? ""),
      durations: config.durations,
    });
    const { store } = fleet.workshop;
    try {
      if (type.credits > 0)
        await grantCredits(store, { account: ACCOUNT, credits: type.credits, reference: "the price of one" });
      const { id } = await submitReport(fleet.workshop, { account: ACCOUNT, type: type.type, source });
      const { snapshots } = await watchUntilEnded(terminal, {
        redisUrl,
        fleet: fleetName,
        ids: [id],
        goesOn: false,
      });
      const snapshot = snapshots.get(id);
      const delivered = snapshot?.stored.report.status === "completed";
      return { snapshot, document: delivered ? await readDocument(store, id, () => type) : null };
    } finally {
      await fleet.stop();
      // Once nothing writes any more.
      if (own === null) await removeFleet(connectForCommand(redisUrl), fleetName);
    }
  } finally {
    await provider?.close();
    await own?.close();
  }
}

async function removeFleet(redis: Redis, fleet: string): Promise<void> {
  try {
    for await (const keys of redis.scanStream({ match: `{${fleet}}*`, count: 1_000 })) {
      const names = keys as string[];
      if (names.length > 0) await redis.unlink(...names);
    }
  } finally {
    redis.disconnect();
  }
}
