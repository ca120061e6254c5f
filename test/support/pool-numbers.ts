/** Reads the four numbers of a pool where deployments write them, to be held against the domain's. */
import type { PoolSettings } from "../../src/domain/warm-pool.ts";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** "5m" → 300,000. */
export function asDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d+)([smh])$/.exec(text) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? Number.NaN);
}

/** Of a command line `pool --replicas 2..6 …`. */
export function poolNumbersIn(command: readonly string[]): PoolSettings {
  const option = (name: string) => command[command.indexOf(name) + 1] ?? "";
  const [least, most] = option("--replicas").split("..").map(Number);
  return {
    replicas: { least: least ?? Number.NaN, most: most ?? Number.NaN },
    concurrency: Number(option("--concurrency")),
    scaledownTtlMs: asDuration(option("--scaledown-ttl")),
    idleTtlMs: asDuration(option("--idle-ttl")),
  };
}
