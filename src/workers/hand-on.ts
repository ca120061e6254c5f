/** Hands on what a dead process had in hand. Who is dead, and how sure that is, the caller knows. */
import { DEFAULT_RETRIES } from "../domain/failure.ts";
import type { FailureSummary } from "../domain/report.ts";
import {
  forgetProcess,
  listFetchers,
  listInHand,
  listProcesses,
  putDown,
  type JobInHand,
  type ProcessRecord,
} from "../store/processes.ts";
import { readReport } from "../store/reports.ts";
import { leavingNewer } from "../store/version.ts";
import { breakClaim, releaseClaim } from "../store/lost-claims.ts";
import { isCertainlyGone } from "./process-identity.ts";
import type { Workshop } from "./session.ts";

type HandsOn = Pick<Workshop, "store" | "queues" | "types">;

/**
 * First the claims are broken, then the jobs are handed on, last the process is forgotten: whoever dies in between is
 * repeated, and two at once do the same and harm nothing. Those of one step go together, since a hundred jobs one by one
 * are hundreds of round trips. Answers how many sections it had in hand.
 */
export async function handOnWorkOf(handsOn: HandsOn, dead: ProcessRecord): Promise<number> {
  const { store, queues } = handsOn;
  const inHand = await listInHand(store, dead.id);
  const broken = await Promise.all(inHand.map((job) => breakClaimOf(handsOn, job, dead)));
  await Promise.all(inHand.map((job) => queues.handOn(job.queue, job.jobId, job.token)));
  for (const [workerId, queue] of Object.entries(await listFetchers(store, dead.id)))
    await queues.handOnFetchedBy(queue, workerId);
  await forgetProcess(store, dead.id);
  return broken.filter((isSection) => isSection).length;
}

/** False where the job is no section's, or its report is gone. */
async function breakClaimOf(
  { store, types }: HandsOn,
  { report, section }: JobInHand,
  dead: ProcessRecord,
): Promise<boolean> {
  if (section === null || report === null) return false;
  let isSection = false;
  await leavingNewer(async () => {
    const stored = await readReport(store, report);
    if (stored === null) return;
    const { type } = stored.report;
    const retries = types.get(type)?.retries;
    const crashBudget = (typeof retries === "object" ? retries.crash : undefined) ?? DEFAULT_RETRIES.crash;
    await breakClaim(store, { report, section, type, process: dead.id }, crashBudget, CRASHED);
    isSection = true;
  });
  return isSection;
}

/**
 * Hands on a job that the store believes to be in this process's hands, though it is done with it: the store has lost
 * its newest writes. What they said is gone, so the section is written again from the checkpoints that are left.
 */
export async function handOnForgotten(
  { store, queues, processId }: Pick<Workshop, "store" | "queues" | "processId">,
  job: JobInHand,
): Promise<void> {
  const stored = job.report === null ? null : await readReport(store, job.report);
  if (stored !== null && job.section !== null)
    await releaseClaim(store, {
      report: stored.report.id,
      section: job.section,
      type: stored.report.type,
      process: processId,
      token: job.token,
    });
  await queues.handOn(job.queue, job.jobId, job.token);
  await putDown(store, processId, job);
}

/** For whoever saw a process of this host end: hands on the work of all that are certainly gone, and names them. */
export async function handOnWorkOfTheGone(
  workshop: HandsOn,
): Promise<{ process: string; sections: number }[]> {
  const handed: { process: string; sections: number }[] = [];
  for (const record of await listProcesses(workshop.store))
    if (isCertainlyGone(record))
      handed.push({ process: record.id, sections: await handOnWorkOf(workshop, record) });
  return handed;
}

const CRASHED: FailureSummary = {
  kind: "transient",
  code: "worker_died",
  scope: "request",
  message:
    "The worker died while writing this section, more often than its crash budget allows. Look for what kills it before resuming.",
  fingerprint: "0000000000000001",
  rule: "crash budget used up",
};
