/** What a check found, and what to change. Pure: the facts are read elsewhere. */
export const LEVELS = ["ok", "warn", "fail"] as const;
export type Level = (typeof LEVELS)[number];

export interface Finding {
  /** A fixed word, for scripts: `redis.durability`. */
  check: string;
  level: Level;
  /** What is, in one sentence. */
  says: string;
  /** What to change; null where nothing needs to be. */
  advice: string | null;
}

export function ok(check: string, says: string): Finding {
  return { check, level: "ok", says, advice: null };
}

export function warn(check: string, says: string, advice: string): Finding {
  return { check, level: "warn", says, advice };
}

export function fail(check: string, says: string, advice: string): Finding {
  return { check, level: "fail", says, advice };
}

export function worst(findings: readonly Finding[]): Level {
  return LEVELS.findLast((level) => findings.some((finding) => finding.level === level)) ?? "ok";
}
