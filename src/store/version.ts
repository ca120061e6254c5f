/**
 * Stored documents carry `v`, the version of their form; one without it has the first. A release that changes a form raises
 * it, and until every process runs that release, the earlier ones meet documents they cannot read. Those are left alone: no
 * failure, no attempt, no crash; whoever asked is told, and a newer process goes on with them.
 *
 * A report's `v` speaks for everything below its key: sections, takes, asks, events.
 */
import { FleetError, isFleetError } from "../domain/fleet-error.ts";

const FORMS = 1;

export function requireKnownForm(what: string, v: string | number | undefined): void {
  if (isKnownForm(v)) return;
  throw new FleetError(
    "newer_version",
    `${what} was written by a newer release (its form is ${v}, this one knows ${FORMS}) and is left alone here. Ask a process of the newer release, or upgrade this one.`,
  );
}

export function isKnownForm(v: string | number | undefined): boolean {
  return v === undefined || Number(v) <= FORMS;
}

/** For loops over many: what a newer release has written is passed over, and the others get their turn. */
export async function leavingNewer(work: () => Promise<unknown>): Promise<"done" | "newer"> {
  try {
    await work();
    return "done";
  } catch (error) {
    if (isNewerVersion(error)) return "newer";
    throw error;
  }
}

export function isNewerVersion(error: unknown): boolean {
  return isFleetError(error) && error.code === "newer_version";
}
