/** What goes over the wire, for the handlers' types and the OpenAPI document alike. Field names are the CLI's. */
import { z } from "zod";
import { SCOPES } from "../domain/api-key.ts";
import { BREAKER_STATES } from "../domain/breaker.ts";
import { HOLD_STATUSES, LEDGER_VERBS } from "../domain/credits.ts";
import { PRIORITIES } from "../domain/fairness.ts";
import { REPORT_STATUSES, SECTION_STATUSES } from "../domain/report.ts";
import { ROUTE_STATES } from "../domain/route.ts";
import { ACTIONS } from "../domain/review.ts";

export const EpochMs = z.int().meta({ description: "Milliseconds since 1970, by the clock of Redis" });
export const Micros = z.int().meta({ description: "Micro-USD; 1,000,000 are one dollar" });
const Count = z.int().min(0);

const Attempts = z.object({ transient: Count, repair: Count, crash: Count });

export const Failure = z
  .object({
    kind: z.string(),
    code: z.string(),
    scope: z.string(),
    message: z.string(),
    fingerprint: z.string(),
    rule: z.string(),
  })
  .meta({
    id: "Failure",
    description: "What failed, as the classifier sees it; codes are in docs/failures.md",
  });

const reportRow = {
  id: z.string(),
  type: z.string(),
  typeVersion: z.int(),
  account: z.string(),
  status: z.enum(REPORT_STATUSES),
  statusText: z.string().meta({ description: "The same for a buyer, with what became of the credits" }),
  progress: z.object({ percent: z.int().min(0).max(100), done: Count, total: Count }),
  eta: z.object({ lowMs: z.number(), highMs: z.number() }).nullable(),
  mayRetry: z.boolean(),
  why: z.string(),
  credits: z.object({ amount: Count, state: z.enum(HOLD_STATUSES) }),
  spend: z.object({
    pending: Micros,
    useful: Micros,
    repaired: Micros,
    wasted: Micros,
    unknown: Micros,
    reused: Micros,
    totalMicros: Micros,
  }),
  failure: z.union([Failure, z.object({ message: z.string() })]).nullable(),
  createdAt: EpochMs,
  updatedAt: EpochMs,
  run: z.int(),
  priority: z.enum(PRIORITIES),
  deliverBy: EpochMs.nullable(),
  deadlineMissedAt: EpochMs.nullable(),
  tags: z.record(z.string(), z.string()).readonly(),
};
export const ReportRow = z.object(reportRow).meta({ id: "ReportRow" });

export const Submitted = z
  .object({
    ...reportRow,
    repeated: z.boolean().meta({ description: "The same order came before; nothing new was held" }),
    openOrder: z.boolean().meta({ description: "An equal order is still open, and this is its report" }),
  })
  .meta({ id: "Submitted" });

const SectionView = z
  .object({
    key: z.string(),
    title: z.string(),
    status: z.enum(SECTION_STATUSES),
    weight: z.number(),
    after: z.array(z.string()).readonly(),
    attempts: Attempts,
    failure: Failure.nullable(),
    because: z.string().nullable(),
    retryAt: EpochMs.nullable(),
    unreviewed: z.string().nullable(),
    edited: z
      .object({ by: z.string().optional(), why: z.string().optional() })
      .nullable()
      .meta({ description: "That a person wrote it; who and why only for keys of the fleet" }),
  })
  .meta({ id: "SectionView" });

export const ReportView = z
  .object({
    ...reportRow,
    delivery: z.enum(["full", "partial"]).nullable(),
    artefactHash: z.string().nullable(),
    deliveredAt: EpochMs.nullable(),
    budgetMicros: Micros,
    source: z.object({ hash: z.string(), bytes: Count }),
    sections: z.array(SectionView),
  })
  .meta({ id: "ReportView" });

export const SectionText = z
  .object({
    id: z.string(),
    section: z.string(),
    title: z.string(),
    delivered: z.boolean().meta({ description: "False while it may still change" }),
    unreviewed: z.string().nullable(),
    output: z.unknown(),
  })
  .meta({ id: "SectionText" });

export const CaseView = z
  .object({
    id: z.string(),
    version: z.int(),
    report: z.string(),
    account: z.string(),
    type: z.string(),
    section: z.string().nullable(),
    failure: Failure,
    group: z.string(),
    openedAt: EpochMs,
    attempts: Attempts,
    spentMicros: Micros,
    wastedMicros: Micros,
    creditsHeld: Count,
    state: z.object({ status: z.enum(["open", "resolved"]) }),
    actions: z.array(z.enum(ACTIONS)).meta({ description: "What may be done now, the cheapest first" }),
  })
  .meta({ id: "CaseView" });

const OrNull = z.string().nullable();

/** What a person decides from. The prompt is the seller's and the raw output nobody's yet: only the fleet's own keys see them. */
export const CaseDetail = CaseView.extend({
  typeVersion: z.int(),
  run: z.int(),
  evidence: z.object({
    call: OrNull,
    callKey: OrNull,
    take: z.int().nullable(),
    promptVersion: OrNull,
    model: OrNull,
    path: OrNull.meta({ description: "Where the output breaks its schema" }),
  }),
  credits: z.object({ amount: Count, state: z.enum(HOLD_STATUSES) }),
  spend: z.object({ pending: Micros, useful: Micros, repaired: Micros, wasted: Micros, unknown: Micros }),
  notes: z.array(z.object({ at: EpochMs, by: z.string(), text: z.string() })),
  question: z
    .object({
      promptVersion: z.string(),
      messages: z.array(z.object({ role: z.string(), content: z.string() })),
    })
    .nullable()
    .optional()
    .meta({ description: "As it was asked; for keys of the fleet" }),
  rawOutput: OrNull.optional().meta({ description: "As it came back; for keys of the fleet" }),
}).meta({ id: "CaseDetail" });

export const Ruled = z
  .object({ report: z.string(), action: z.enum(ACTIONS), run: z.int() })
  .meta({ id: "Ruled", description: "What was decided, and the run that carries it out" });

export const Ended = z
  .object({ report: z.string(), status: z.enum(REPORT_STATUSES), repeated: z.boolean() })
  .meta({ id: "Ended" });

export const DryRun = z.enum(["true", "false"]).default("false").meta({
  description: "Show what it would do and change nothing; then no reason, key or version is needed",
});

const CreditEffect = z
  .object({ held: Count, charged: Count, returned: Count })
  .meta({ id: "CreditEffect", description: "What becomes of the credits that are held now" });

export const Preview = z
  .object({
    report: z.string(),
    action: z.enum(ACTIONS),
    possible: z.boolean(),
    because: z.string(),
    keptSections: z.array(z.string()),
    openSections: z.array(z.string()),
    skippedSections: z.array(z.string()),
    reusedCalls: z.array(z.string()),
    revalidatedCalls: z.array(z.string()),
    paidCalls: z.array(z.object({ call: z.string(), estimateMicros: Micros.nullable() })),
    estimateMicros: Micros.nullable(),
    atMostMicros: Micros,
    credits: CreditEffect,
    creditEffect: z.string(),
  })
  .meta({ id: "Preview", description: "A dry run; nothing was changed" });

export const GroupPreview = z
  .object({
    group: z.string(),
    action: z.enum(ACTIONS),
    cases: Count,
    beyond: Count.meta({ description: "Open cases that wait for a further operation" }),
    eligible: Count,
    notEligible: z.array(z.object({ id: z.string(), because: z.string() })),
    canaries: z.array(z.string()).meta({ description: "Cases that would be decided first" }),
    keptSections: Count,
    openSections: Count,
    skippedSections: Count,
    reusedCalls: Count,
    revalidatedCalls: Count,
    paidCalls: Count,
    estimateMicros: Micros.nullable(),
    notEstimated: Count.meta({ description: "Eligible cases for which nothing can be estimated" }),
    atMostMicros: Micros,
    cap: z.object({ maxMicros: Micros, fits: z.boolean() }).nullable(),
    credits: CreditEffect,
    creditEffect: z.string(),
  })
  .meta({ id: "GroupPreview", description: "The dry run of a group's decision; nothing was changed" });

export const GroupView = z
  .object({
    group: z.string(),
    type: z.string(),
    section: z.string().nullable(),
    failure: Failure,
    open: Count,
    seen: Count,
    firstSeen: EpochMs,
    lastSeen: EpochMs,
    waitingSince: EpochMs.nullable().meta({ description: "Since when its oldest open case waits" }),
    creditsHeld: Count,
    spentMicros: Micros,
    wastedMicros: Micros,
  })
  .meta({ id: "GroupView" });

export const OperationView = z
  .object({
    id: z.string(),
    action: z.enum(ACTIONS),
    group: z.string(),
    status: z.enum(["running", "done", "stopped"]),
    because: z.string(),
    startedAt: EpochMs,
    progress: z
      .object({
        waiting: Count,
        underWay: Count,
        through: Count,
        parkedAgain: Count,
        refused: Count,
        spentMicros: Micros,
      })
      .meta({ description: "How far its cases are, as the last sweep saw them" }),
    cases: z.array(z.object({ id: z.string(), state: z.enum(["waiting", "applied", "refused"]) })),
  })
  .meta({ id: "OperationView" });

export const Balance = z
  .object({ account: z.string(), available: Count, held: Count, committed: Count, deposits: Count })
  .meta({ id: "Balance" });

export const LedgerEntry = z
  .object({
    id: z.int(),
    verb: z.enum(LEDGER_VERBS),
    credits: z.int(),
    reference: z.string(),
    report: z.string().nullable(),
    at: EpochMs,
    by: z.string().nullable(),
    why: z.string().nullable(),
  })
  .meta({ id: "LedgerEntry" });

export const TypeView = z
  .object({
    type: z.string(),
    version: z.int(),
    title: z.string(),
    credits: Count,
    budgetMicros: Micros,
    maxSourceBytes: Count,
    state: z.enum(BREAKER_STATES),
  })
  .meta({ id: "TypeView" });

export const BreakerView = z
  .object({
    type: z.string(),
    state: z.enum(BREAKER_STATES),
    since: EpochMs.nullable(),
    version: z.int(),
    waiting: Count,
  })
  .meta({ id: "BreakerView" });

export const RouteView = z
  .object({
    route: z.string(),
    state: z.enum(ROUTE_STATES),
    closed: z.string().nullable(),
    closedUntil: EpochMs.nullable(),
    troubleSince: EpochMs.nullable(),
    answeredAt: EpochMs.nullable(),
    minute: z
      .object({ requests: z.int(), tokens: z.int() })
      .meta({ description: "What was sent over it in the current minute" }),
    inFlight: z.int(),
  })
  .meta({ id: "RouteView" });

export const KeyView = z
  .object({
    id: z.string(),
    name: z.string(),
    account: z.string().nullable(),
    scopes: z.array(z.enum(SCOPES)).readonly(),
    createdAt: EpochMs,
    expiresAt: EpochMs.nullable(),
    revokedAt: EpochMs.nullable(),
    lastUsedAt: EpochMs.nullable(),
  })
  .meta({ id: "KeyView" });

/** What a person decides has a reason, and both are kept for good; the name defaults to the key's. */
export const decision = {
  why: z.string().trim().min(1).max(500),
  by: z.string().trim().min(1).max(100).optional(),
};
export const Decision = z.strictObject(decision);
export const anId = z.object({ id: z.string().max(200) });
