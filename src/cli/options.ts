/** Values of options, checked where they are read; commander makes the sentence around what is thrown here. */
import { InvalidArgumentError, Option } from "commander";
import { ACCOUNT_RULE, isAccount, isReportId, type ReportId } from "../domain/ids.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { REPORT_STATUSES, type ReportStatus } from "../domain/report.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Longer ones overflow a timer and would fire at once. */
const LONGEST_MS = 24 * 3_600_000;

/** "90s", "30m", "1h"; a bare number means seconds. */
export function duration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text.trim());
  const ms = match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] ?? "s"] ?? Number.NaN);
  if (!(ms > 0 && ms <= LONGEST_MS))
    throw new InvalidArgumentError("Expected a duration such as 90s, 30m or 1h, at most 24h.");
  return Math.ceil(ms);
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text.trim()) || number < least || number > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return number;
  };
}

export function usd(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number > 0) || !Number.isFinite(number))
    throw new InvalidArgumentError("Expected an amount in US dollars, such as 0.50.");
  return number;
}

const ROLE_NAMES = ["api", "orchestrator", "worker"] as const;
export type RoleName = (typeof ROLE_NAMES)[number];

/** `--roles api,worker`; all of them where it is left out. */
export function rolesOption(help: string): Option {
  return new Option("--roles <roles>", help).default([...ROLE_NAMES], "all").argParser(roles);
}

function roles(text: string): RoleName[] {
  const names = text.split(",").map((name) => name.trim());
  const known = ROLE_NAMES.filter((role) => names.includes(role));
  if (known.length === 0 || names.some((name) => !(ROLE_NAMES as readonly string[]).includes(name)))
    throw new InvalidArgumentError(`Expected one or more of ${ROLE_NAMES.join(", ")}, separated by commas.`);
  return known;
}

export function account(text: string): string {
  if (!isAccount(text)) throw new InvalidArgumentError(`Expected ${ACCOUNT_RULE}.`);
  return text;
}

export function reportStatus(text: string): ReportStatus {
  const status = REPORT_STATUSES.find((one) => one === text);
  if (status === undefined) throw new InvalidArgumentError(`Expected one of ${REPORT_STATUSES.join(", ")}.`);
  return status;
}

/** Ids are arguments, not options: a wrong one is answered like any other mistake in what was asked. */
export function reportId(text: string): ReportId {
  if (isReportId(text)) return text;
  throw new FleetError(
    "usage",
    `"${text}" is no report id; one looks like rp-0123456789abcdefghijklmno. \`report-fleet ls\` lists them.`,
  );
}
