/** Whether a fleet does its work, read from its Redis; all pure. */
import { openingReason, type Breaker } from "../../domain/breaker.ts";
import { formatWait } from "../../domain/ids.ts";
import type { WebhookEndpoint } from "../../domain/webhook.ts";
import type { Backlog } from "../../store/backlog.ts";
import type { ProcessRecord } from "../../store/processes.ts";
import type { Reconciliation } from "../../store/reconcile.ts";
import type { RouteView } from "../../store/routes.ts";
import type { SpendingStop } from "../../store/spending.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

export interface FleetFacts {
  /** Of this installation, for comparison. */
  version: string;
  /** Those whose beat moved while we looked; the dead ones wait for the sweeper. */
  alive: readonly ProcessRecord[];
  dead: readonly ProcessRecord[];
  /** Sections that could be written now, or are being written. */
  sectionsToWrite: number;
  backlog: Backlog;
  breakers: readonly { type: string; breaker: Breaker; waiting: number; ourVersion: number | null }[];
  routes: readonly RouteView[];
  spendingStop: SpendingStop | null;
  ledger: Reconciliation;
  webhooks: readonly WebhookEndpoint[];
}

/** The sweeper looks every second; what is late by this much, nobody looks after. */
const LATE_MS = 2 * 60_000;
const MOST_NAMED = 5;

export function checkFleet(facts: FleetFacts): Finding[] {
  return [
    checkWorkers(facts),
    checkOrchestrators(facts),
    checkDead(facts),
    checkVersions(facts),
    checkTypeVersions(facts),
    checkOverdue(facts),
    checkIntake(facts),
    checkBreakers(facts),
    checkRoutes(facts),
    checkSpending(facts),
    checkLedger(facts),
    checkWebhooks(facts),
  ];
}

function checkWorkers({ alive, sectionsToWrite }: FleetFacts): Finding {
  const check = "fleet.workers";
  const workers = alive.filter(hasRole("worker")).length;
  if (workers > 0) return ok(check, `${count(workers, "worker process", "worker processes")} alive.`);
  if (sectionsToWrite === 0) return ok(check, "No worker runs, and no section waits for one.");
  return fail(
    check,
    `${count(sectionsToWrite, "section")} could be written, and no worker is alive.`,
    "Start some: report-fleet start --roles worker.",
  );
}

function checkOrchestrators({ alive, backlog }: FleetFacts): Finding {
  const check = "fleet.orchestrators";
  const orchestrators = alive.filter(hasRole("orchestrator")).length;
  if (orchestrators > 0)
    return ok(check, `${count(orchestrators, "orchestrator process", "orchestrator processes")} alive.`);
  const waiting = backlog.overdue + backlog.unqueued + backlog.unanswered;
  if (waiting === 0) return ok(check, "No orchestrator runs, and nothing waits for one.");
  return fail(
    check,
    `${count(waiting, "order or report", "orders and reports")} should move, and no orchestrator is alive.`,
    "Start one: report-fleet start --roles orchestrator.",
  );
}

function checkDead({ dead, alive }: FleetFacts): Finding {
  const check = "fleet.dead";
  if (dead.length === 0) return ok(check, "Every process that is registered is alive.");
  const names = named(dead.map(({ id }) => id));
  const says = `${count(dead.length, "process is", "processes are")} registered and silent: ${names}.`;
  return alive.some(hasRole("orchestrator"))
    ? warn(check, says, "Their work is handed on within seconds. Look in their logs for why they ended.")
    : warn(check, says, "Their work is handed on once an orchestrator runs.");
}

function checkVersions({ alive, version }: FleetFacts): Finding {
  const check = "fleet.versions";
  const versions = [...new Set([...alive.map((one) => one.version), version])].sort();
  if (versions.length <= 1) return ok(check, `Everything runs version ${version}.`);
  return warn(
    check,
    `Versions ${versions.join(", ")} share this fleet (${version} is this one).`,
    "That is how a roll looks, and it is safe; once it is over, restart what was left behind.",
  );
}

function checkTypeVersions({ breakers }: FleetFacts): Finding {
  const check = "types.versions";
  const older = breakers.filter(
    ({ breaker, ourVersion }) => ourVersion !== null && ourVersion < breaker.version,
  );
  if (older.length === 0) return ok(check, "No report type here is older than the fleet's.");
  const list = older.map(
    ({ type, ourVersion, breaker }) => `${type} ${ourVersion} (the fleet has seen ${breaker.version})`,
  );
  return warn(
    check,
    `Report types here are older than the fleet's: ${named(list)}. A worker started here leaves newer reports alone.`,
    "Deploy the newer report types here as well.",
  );
}

function checkOverdue({ backlog }: FleetFacts): Finding {
  const check = "fleet.overdue";
  const late = [
    backlog.overdueMs > LATE_MS
      ? `${count(backlog.overdue, "report")} should have moved, the first ${formatWait(backlog.overdueMs)} ago`
      : "",
    backlog.unqueuedMs > LATE_MS
      ? `${count(backlog.unqueued, "order")} not in the queue for up to ${formatWait(backlog.unqueuedMs)}`
      : "",
  ].filter((part) => part !== "");
  if (late.length === 0) return ok(check, "Every open report has moved in time.");
  return fail(
    check,
    `${late.join(", and ")}.`,
    "The orchestrator's sweeper does that: start one, or read in its log why it cannot.",
  );
}

function checkIntake({ backlog, alive }: FleetFacts): Finding {
  const check = "fleet.intake";
  if (backlog.unanswered === 0) return ok(check, "Every order of the intake stream is answered.");
  const says = `${count(backlog.unanswered, "order")} in the intake stream ${backlog.unanswered === 1 ? "has" : "have"} no answer yet.`;
  if (alive.some(hasRole("orchestrator")))
    return warn(
      check,
      says,
      "Look again in a minute; if they stay, the memory of Redis may be used up (see redis.memory).",
    );
  return fail(check, says, "Start an orchestrator: report-fleet start --roles orchestrator.");
}

function checkBreakers({ breakers }: FleetFacts): Finding {
  const check = "types.stopped";
  const stopped = breakers.flatMap(({ type, breaker, waiting }) =>
    breaker.state === "open"
      ? [
          `${type}, because ${openingReason(breaker.opening)} (${count(waiting, "report waits", "reports wait")})`,
        ]
      : [],
  );
  if (stopped.length === 0) return ok(check, "No report type is stopped.");
  return warn(
    check,
    `Stopped: ${named(stopped)}.`,
    "report-fleet types show TYPE tells what it cost and what to mend; types enable TYPE starts it again.",
  );
}

function checkRoutes({ routes }: FleetFacts): Finding {
  const check = "routes.closed";
  const closed = routes.filter(({ state }) => state === "closed");
  if (closed.length > 0)
    return fail(
      check,
      `Closed until a person opens it: ${named(closed.map(({ route, closed: because }) => `${route} (${(because ?? "").replace(/\.$/, "")})`))}.`,
      "Mend what it says, then report-fleet routes open ROUTE --by NAME. Reports wait meanwhile.",
    );
  const waiting = routes.filter(({ state }) => state !== "open");
  if (waiting.length === 0) return ok(check, "Every route is open.");
  return warn(
    check,
    `Without answers for now: ${named(waiting.map(({ route }) => route))}.`,
    "It heals by itself once the provider answers; docs/providers.md says how, and how to add a second route.",
  );
}

function checkSpending({ spendingStop }: FleetFacts): Finding {
  const check = "spending.stopped";
  if (spendingStop === null) return ok(check, "Spending is not stopped.");
  return warn(
    check,
    `Spending is stopped by ${spendingStop.by}: ${spendingStop.reason.replace(/\.$/, "")}. No call begins anywhere.`,
    "report-fleet start-spending --by NAME ends it.",
  );
}

function checkLedger({ ledger }: FleetFacts): Finding {
  const check = "books.ledger";
  if (ledger.problems.length === 0)
    return ok(
      check,
      `The books agree: ${count(ledger.accounts, "account")}, ${count(ledger.entries, "row")}, ${count(ledger.holds, "hold")}.`,
    );
  return fail(
    check,
    `The books do not agree. ${ledger.problems.slice(0, MOST_NAMED).join(" ")}`,
    "Nothing is mended by itself. Keep the evidence (report-fleet credits reconcile --json), and see docs/operations.md, A drift in the books.",
  );
}

function checkWebhooks({ webhooks }: FleetFacts): Finding {
  const check = "webhooks.disabled";
  const disabled = webhooks.flatMap(({ id, state }) =>
    state.status === "disabled" ? [`${id} (${state.because.replace(/\.$/, "")})`] : [],
  );
  if (disabled.length === 0) return ok(check, "No webhook endpoint is disabled.");
  return warn(
    check,
    `Disabled: ${named(disabled)}. What happens meanwhile is not told there.`,
    "Have the receiver mended, then report-fleet webhooks enable ENDPOINT and webhooks replay --missed-by ENDPOINT.",
  );
}

function hasRole(role: string): (process: ProcessRecord) => boolean {
  return ({ roles }) => roles.split(",").includes(role);
}

function named(list: readonly string[]): string {
  const more = list.length - MOST_NAMED;
  return more > 0 ? `${list.slice(0, MOST_NAMED).join(", ")} and ${more} more` : list.join(", ");
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
