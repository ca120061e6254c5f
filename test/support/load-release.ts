/**
 * Puts back what a fleet of an earlier release left in Redis (test/fixtures/releases, made by scripts/release-data.ts).
 * Times are moved as if the copy had just been taken: deadlines and ages are stored as moments, and the files are kept for years.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { ReportId } from "../../src/domain/ids.ts";

const RELEASES = new URL("../fixtures/releases", import.meta.url).pathname;
const DAY_MS = 24 * 3_600_000;

export interface ReleaseData {
  version: string;
  takenAt: number;
  fleet: string;
  reports: Readonly<Record<string, ReportId>>;
}

type Argument = string | { b64: string };

export function listReleases(): string[] {
  return readdirSync(RELEASES).map((name) => name.replace(/\.jsonl$/, ""));
}

export async function loadRelease(redis: Redis, version: string): Promise<ReleaseData> {
  const [first = "", ...lines] = readFileSync(join(RELEASES, `${version}.jsonl`), "utf8")
    .trimEnd()
    .split("\n");
  const data = JSON.parse(first) as ReleaseData;
  const laterMs = Date.now() - data.takenAt;
  const moved = (text: string, key: string): string => {
    const isDelayed = key.endsWith(":delayed");
    // BullMQ keeps a counter in the lowest twelve bits of when a delayed job is due.
    return text.replace(isDelayed ? /\b\d{16}\b/g : /\b\d{13}\b/g, (digits) => {
      const unit = isDelayed ? 4_096 : 1;
      const at = Number(digits) / unit;
      const isTime = at > data.takenAt - DAY_MS && at < data.takenAt + 400 * DAY_MS;
      return isTime ? String(Number(digits) + laterMs * unit) : digits;
    });
  };
  const pipeline = redis.pipeline();
  for (const line of lines) {
    const [command, key, ...args] = JSON.parse(line) as [string, string, ...Argument[]];
    const given = args.map((arg) =>
      typeof arg === "string" ? moved(arg, key) : Buffer.from(arg.b64, "base64"),
    );
    pipeline.call(command, key, ...given);
  }
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  return data;
}
