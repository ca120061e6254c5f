/**
 * THE HEART: one attempt at one section, start to finish.
 *
 *     claim ─▶ write (calls and steps, each paid once) ─▶ check the output ─▶ finish
 *                └─▶ failure ─▶ verdict, carried out in one place
 *
 * The job that brought us here is only the doorbell: whether there is anything to do, and whether it is ours to do, the
 * claim says. Whatever happens, what was paid so far is in the store before this function returns.
 */
import { hash as hashOf } from "node:crypto";
import type { Evidence } from "../domain/evidence.ts";
import { isFleetError } from "../domain/fleet-error.ts";
import { checkOutput } from "../report-types/check-output.ts";
import type { ReportType } from "../report-types/define-report.ts";
import { retryStrategy } from "../report-types/retry-strategy.ts";
import { readQuestion } from "../store/cases.ts";
import type { SectionJobData } from "../store/queues.ts";
import { claimSection, finishSection } from "../store/sections.ts";
import { ballotOf } from "./ballot.ts";
import { carryOut } from "./carry-out.ts";
import { DONE, type Ending } from "./ending.ts";
import { readMaterial } from "./material.ts";
import { authorOf, type Author } from "./section-author.ts";
import type { RunFacts } from "./run-facts.ts";
import { sectionContext } from "./section-context.ts";
import { errorFacts, Session, type JobControl, type Workshop } from "./session.ts";
import { patiently } from "./patiently.ts";
import { SectionStopped, type Stop } from "./stop.ts";
import { withTimeout } from "./with-timeout.ts";

export async function writeSection(
  workshop: Workshop,
  job: SectionJobData & { claimId: string },
  control: JobControl,
): Promise<Ending> {
  const stored = await workshop.runs.factsOf(job.report, job.run);
  if (stored === null) return DONE;
  const type = workshop.types.get(stored.report.type);
  // An older worker leaves a newer report to the newer workers; it would not know what to write.
  if (type === undefined || type.version < stored.report.typeVersion)
    return { ending: "delay", afterMs: workshop.durations.askAgainMs };

  const author = authorOf(type, stored.plan, job.section);
  const claimed = await claimSection(
    workshop.store,
    {
      ...job,
      type: type.type,
      version: type.version,
      process: workshop.processId,
      askAgainMs: workshop.durations.askAgainMs,
    },
    workshop.durations.wakeAfterMs,
  );
  if (claimed.outcome === "wait") return { ending: "delay", afterMs: claimed.afterMs };
  if (claimed.outcome === "older") return { ending: "delay", afterMs: workshop.durations.askAgainMs };
  if (claimed.outcome !== "claimed") return DONE;

  const session = new Session(
    workshop,
    claimed.claim,
    control,
    retryStrategy(type.retries, author?.retries),
    stored.report.account,
  );
  let output: string;
  try {
    output = JSON.stringify(await write(session, stored, type, author));
  } catch (thrown) {
    await session.callsLanded();
    return carryOut(session, stopOf(session, thrown));
  }
  await session.callsLanded();
  return finish(session, output);
}

/** Everything is paid and written; only the store has to take it, however long that lasts. */
async function finish(session: Session, output: string): Promise<Ending> {
  const { workshop, claim, control, unreviewed } = session;
  const hash = hashOf("sha256", output);
  const settlements = session.takeSettlements();
  const ballot = ballotOf(session, null);
  const written = { output, hash, unreviewed, used: [...session.used] };
  await patiently(control.signal, () =>
    finishSection(workshop.store, claim, written, settlements, workshop.durations.wakeAfterMs, ballot),
  );
  return DONE;
}

async function write(
  session: Session,
  stored: RunFacts,
  type: ReportType,
  author: Author | null,
): Promise<unknown> {
  session.checkMayGoOn();
  if (author === null)
    return broken(
      session,
      "section_unknown",
      `Version ${type.version} of ${type.type} has no section ${session.claim.section}.`,
    );
  const { store, durations } = session.workshop;
  const { pinnedCase } = session.claim;
  if (pinnedCase !== null) session.pinned = await session.fromStore(() => readQuestion(store, pinnedCase));
  const input = await readMaterial(session, stored, type, author.planned);
  const context = sectionContext(session, input, author.model);
  const output = await withTimeout(
    durations.sectionMs,
    session.control.signal,
    `section ${session.claim.section}`,
    () => author.write(context),
  );
  // Author code may have caught the stop and returned all the same.
  if (session.stop !== null) session.stopWith(session.stop);

  const checked = checkOutput(author.output, output);
  if (!checked.ok) {
    return broken(
      session,
      checked.code,
      `What section ${session.claim.section} returned does not match its own output: ${checked.path} ${checked.message}.`,
    );
  }
  return checked.value;
}

/** The report type contradicts itself: no retry and no other source will change that. */
function broken(session: Session, code: string, message: string): never {
  return session.stopWith({
    stop: "failed",
    ...session.judge({ surface: "domain", stage: "config", domain: { code, message } }),
  });
}

/** Anything but our own stop is the author's code failing: a configuration fact, not the model's or the customer's. */
function stopOf(session: Session, thrown: unknown): Stop {
  if (session.stop !== null) return session.stop;
  if (thrown instanceof SectionStopped) return thrown.stop;
  if (session.control.signal.aborted) return { stop: "hand_on", because: "the grace period is over" };
  const domain = isFleetError(thrown) ? { code: thrown.code, message: thrown.message } : null;
  const stage = domain?.code === "invalid_source" ? "load" : "config";
  const evidence: Evidence = { surface: "domain", stage, domain, node: errorFacts(thrown) };
  return { stop: "failed", ...session.judge(evidence) };
}
