/**
 * The way in. Everything that can be wrong with an order is said here, with every field named, before anything is
 * stored, held or spent; what is returned from here is in the books and will be worked on, whatever dies next.
 */
import { randomBytes } from "node:crypto";
import { openingReason, type Opening } from "../domain/breaker.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { AccountLimits, Priority } from "../domain/fairness.ts";
import { ACCOUNT_RULE, isAccount, reportIdFrom, type EpochMs, type ReportId } from "../domain/ids.ts";
import type { ReportStatus } from "../domain/report.ts";
import { currentTraceparent, inSpan } from "../observability/tracing.ts";
import { breakerSettings } from "../report-types/breaker-settings.ts";
import type { Registry } from "../report-types/registry.ts";
import { checkSource } from "../report-types/source.ts";
import { admit } from "../store/admit.ts";
import type { Queues } from "../store/queues.ts";
import type { Store } from "../store/redis.ts";
import { readReport } from "../store/reports.ts";
import { leaveOutbox } from "../store/wakeups.ts";

/** What a producer needs; a part of every process's workshop. */
export interface Counter {
  store: Store;
  queues: Queues;
  types: Registry;
  durations: { wakeAfterMs: number; userCodeMs?: number };
  accountLimits: AccountLimits;
}

export interface ReportRequest {
  account: string;
  type: string;
  /** The data the report is written from, as JSON values. */
  source: unknown;
  /** The same key with the same order is the same report, for as long as the report is kept. */
  idempotencyKey?: string | undefined;
  /** Order anew though an equal order of the account is still open. */
  again?: boolean | undefined;
  /** Before or behind the account's other reports; it does not go before everybody else's. */
  priority?: Priority | undefined;
  /** Wanted by then; the fleet says so when it will be later. */
  deliverBy?: EpochMs | undefined;
  /** The caller's own words, returned with the report. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** An https URL that is told how this report ends, as a webhook. */
  callback?: string | undefined;
}

export interface Submitted {
  id: ReportId;
  status: ReportStatus;
  /** Credits held for it. */
  credits: number;
  /** True where this order came before; nothing new was held. */
  repeated: boolean;
  /** True where an equal order is still open: this is that report, so that nobody pays twice by pressing twice. */
  openOrder: boolean;
}

export const LONGEST_IDEMPOTENCY_KEY = 200;
const MOST_TAGS = 20;
const LONGEST_TAGS = 2_000;
const LONGEST_CALLBACK = 2_048;

export function submitReport(counter: Counter, request: ReportRequest): Promise<Submitted> {
  return inSpan(
    "submit report",
    { "report_fleet.type": request.type },
    async (note) => {
      const submitted = await takeOrder(counter, request);
      note({ "report_fleet.report": submitted.id, "report_fleet.repeated": submitted.repeated });
      return submitted;
    },
    "producer",
  );
}

async function takeOrder(counter: Counter, request: ReportRequest): Promise<Submitted> {
  const { store, queues } = counter;
  const type = counter.types.require(request.type);
  if (!isAccount(request.account))
    throw new FleetError("usage", `"${request.account}" is no account: ${ACCOUNT_RULE}.`);
  const key = request.idempotencyKey ?? null;
  if (key !== null && (key.length === 0 || key.length > LONGEST_IDEMPOTENCY_KEY)) {
    throw new FleetError(
      "usage",
      `An idempotency key has 1 to ${LONGEST_IDEMPOTENCY_KEY} characters, this one has ${key.length}.`,
    );
  }
  const tags = request.tags ?? {};
  if (Object.keys(tags).length > MOST_TAGS || JSON.stringify(tags).length > LONGEST_TAGS) {
    throw new FleetError(
      "usage",
      `A report has at most ${MOST_TAGS} tags and ${LONGEST_TAGS} characters of them as JSON.`,
    );
  }
  const { callback } = request;
  if (callback !== undefined && !mayBeCallback(callback)) {
    const message = `expected an https URL of at most ${LONGEST_CALLBACK} characters`;
    throw new FleetError("usage", `The callback cannot be used: ${message}.`, {
      fields: [{ path: "callback", message }],
    });
  }
  const source = checkSource(type, request.source);
  if (!source.ok) {
    const list = source.fields.map((field) => `${field.path} ${field.message}`).join("; ");
    throw new FleetError(
      source.code,
      `The source for "${type.type}" cannot be used: ${list}. Nothing was charged; correct it and submit again.`,
      {
        fields: source.fields,
      },
    );
  }

  const id = reportIdFrom(randomBytes(16));
  const admission = await admit(
    store,
    {
      id,
      account: request.account,
      type: type.type,
      typeVersion: type.version,
      credits: type.credits,
      budgetMicros: Math.round(type.budget.usd * 1_000_000),
      source,
      idempotencyKey: key,
      again: request.again ?? false,
      whenOpen: breakerSettings(type.breaker).whenOpen,
      priority: request.priority,
      deliverBy: request.deliverBy,
      tags,
      callback,
      traceparent: currentTraceparent(),
      maxWaiting: counter.accountLimits.maxWaiting,
    },
    counter.durations.wakeAfterMs,
  );
  switch (admission.outcome) {
    case "admitted":
      await queues.ringReport(id, 1, admission.turn);
      await leaveOutbox(store, id);
      return { id, status: "pending", credits: type.credits, repeated: false, openOrder: false };
    case "repeated":
      return repeated(store, admission.report);
    case "open_order":
      return { ...(await repeated(store, admission.report)), openOrder: true };
    case "conflict":
      throw new FleetError(
        "idempotency_conflict",
        `The idempotency key "${key}" already belongs to ${admission.report}, which was ordered with another type or source. Use a new key for a new order.`,
      );
    case "type_disabled":
      throw new FleetError("type_disabled", disabledSentence(type.type, admission.opening));
    case "too_many_reports":
      throw new FleetError(
        "too_many_reports",
        `Account ${request.account} has ${admission.waiting} ${admission.waiting === 1 ? "report" : "reports"} waiting, as many as it may. ` +
          "Nothing was held; submit again once some of them have begun.",
      );
    case "store_full":
      throw new FleetError("store_full", fullSentence(admission.usedPercent));
    case "too_late":
      throw new FleetError(
        "usage",
        "The report is wanted by a time that has passed. Name a later one, or none.",
      );
    case "insufficient_credits":
      throw new FleetError(
        "insufficient_credits",
        `A "${type.type}" costs ${type.credits} credits and account ${request.account} has ${admission.available} available. ` +
          `Nothing was held; grant credits and submit again.`,
      );
  }
}

/** Where it leads is checked each time something is sent there; here only what can be said for good. */
function mayBeCallback(text: string): boolean {
  if (text.length > LONGEST_CALLBACK || !URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  // Without encryption nothing is sent but to this very machine, in development.
  return (
    protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname))
  );
}

async function repeated(store: Store, id: ReportId): Promise<Submitted> {
  const stored = await readReport(store, id);
  if (stored === null)
    throw new FleetError("not_found", `Report ${id} was ordered under this key and has been erased since.`);
  return {
    id,
    status: stored.report.status,
    credits: stored.report.credits,
    repeated: true,
    openOrder: false,
  };
}

function fullSentence(usedPercent: number | null): string {
  const used = usedPercent === null ? "all" : `${usedPercent} %`;
  return (
    `The fleet takes no new orders: Redis uses ${used} of the memory it may use, and what is left is for the reports under way. ` +
    "Nothing was held or charged; submit again later. Whoever runs the fleet has to raise maxmemory or remove old reports."
  );
}

/** For whoever ordered: that it is not about their order, what became of the money, and what to do. */
function disabledSentence(type: string, opening: Opening): string {
  const since = new Date(opening.at).toISOString().slice(0, 16).replace("T", " ");
  return (
    `Reports of "${type}" are stopped since ${since} UTC, because ${openingReason(opening)}. ` +
    `Nothing was held or charged. Submit again once the type is enabled; \`report-fleet types show ${type}\` shows how it stands.`
  );
}
