/**
 * Every key name, in one place. All carry the hash tag `{fleet}`, so that one script may touch any of them and a
 * cluster keeps a fleet on one shard. Names that callers choose (account, reference) enter a key only as a last part.
 */
import type { ReportId } from "../domain/ids.ts";
import type { ReportStatus } from "../domain/report.ts";

export type Keys = ReturnType<typeof keysOf>;

export function keysOf(fleet: string) {
  const root = `{${fleet}}`;
  return {
    /** BullMQ's own keys live under this prefix, beside ours. */
    queuePrefix: root,

    reportPrefix: `${root}:report:`,
    report: (id: ReportId) => `${root}:report:${id}`,
    section: (id: ReportId, section: string) => `${root}:report:${id}:section:${section}`,
    /** Takes and step results of all sections of one report. */
    calls: (id: ReportId) => `${root}:report:${id}:calls`,
    /** One row per request that may have left for a provider. */
    asks: (id: ReportId) => `${root}:report:${id}:asks`,
    /** What a finished report is kept in, once it rests. */
    packed: (id: ReportId) => `${root}:report:${id}:packed`,
    artefact: (id: ReportId) => `${root}:report:${id}:artefact`,
    /** What is left of a report after retention. */
    tombstone: (id: ReportId) => `${root}:tombstone:${id}`,
    events: (id: ReportId) => `${root}:report:${id}:events`,
    fleetEvents: `${root}:events`,

    source: (account: string, hash: string) => `${root}:source:${hash}:${account}`,
    /** Reports that are written from it; it goes with the last of them. */
    sourceReaders: (account: string, hash: string) => `${root}:source-readers:${hash}:${account}`,
    idempotency: (account: string, keyHash: string) => `${root}:idempotency:${keyHash}:${account}`,

    /** The newest order of one account for one type and source. */
    sameOrder: (account: string, type: string, sourceHash: string) =>
      `${root}:order:${sourceHash}:${type}:${account}`,

    account: (account: string) => `${root}:account:${account}`,
    ledger: (account: string) => `${root}:ledger:${account}`,
    grants: (account: string) => `${root}:grants:${account}`,
    hold: (holdId: string) => `${root}:hold:${holdId}`,
    accounts: `${root}:accounts`,
    /** The sums of all accounts. */
    creditTotals: `${root}:credits`,
    /** Holds that are not ended; score = when the sweeper looks at them next. */
    openHolds: `${root}:holds`,
    /** The same holds; score = when they were made. */
    openHoldsSince: `${root}:holds:since`,
    refunds: (account: string) => `${root}:refunds:${account}`,
    /** Reports of an account that failed after money was spent on them; score = when. */
    failures: (account: string) => `${root}:failures:${account}`,
    /** The fleet's sums of one UTC day, counted in days since 1970. */
    spendOfDay: (day: number) => `${root}:spend:${day}`,
    spendSums: (day: number) => `${root}:spend-sums:${day}`,
    /** The sums of one hour and of its minutes, counted in hours since 1970; they expire. */
    spendOfHour: (hour: number) => `${root}:spend-hour:${hour}`,

    /** Parked failures. `cases` holds the open ones; score = opened at. */
    case: (caseId: string) => `${root}:case:${caseId}`,
    cases: `${root}:cases`,
    casesOf: (id: ReportId) => `${root}:report:${id}:cases`,
    caseNotes: (caseId: string) => `${root}:case:${caseId}:notes`,
    /** Groups with open cases; score = last seen. */
    groups: `${root}:groups`,
    group: (group: string) => `${root}:group:${group}`,
    groupCases: (group: string) => `${root}:group-cases:${group}`,
    /** The same groups by the time their oldest case was opened, by how many cases wait, and by the credits held for them. */
    groupsByAge: `${root}:groups:age`,
    groupsBySize: `${root}:groups:size`,
    groupsByCredits: `${root}:groups:credits`,
    /** The cases that were decided last; score = when. */
    decidedCases: `${root}:cases:decided`,
    /** Cases somebody is looking at; score = until when that is taken for granted, and who it is. */
    caseClaims: `${root}:case-claims`,
    caseClaimers: `${root}:case-claimers`,
    /** Reports that wait for a person; score = when they are given up. */
    reviewDeadlines: `${root}:review-deadlines`,
    /** Who decided what, and why. */
    audit: `${root}:audit`,
    /** Which rows of it are about one report. */
    auditOf: (id: ReportId) => `${root}:report:${id}:audit`,
    /** Group actions that are not over. */
    operations: `${root}:operations`,
    operation: (operationId: string) => `${root}:operation:${operationId}`,
    /** The last ones about a group, the newest first. */
    groupOperations: (group: string) => `${root}:group-operations:${group}`,
    operationCases: (operationId: string) => `${root}:operation:${operationId}:cases`,

    /** Reports admitted whose parent job is not known to be in the queue yet; score = admitted at. */
    outbox: `${root}:outbox`,
    /** Report → time by which it must have moved. */
    wakeups: `${root}:wakeups`,
    indexAll: `${root}:index:all`,
    indexAccount: (account: string) => `${root}:index:account:${account}`,
    indexType: (type: string) => `${root}:index:type:${type}`,
    indexStatus: (status: ReportStatus) => `${root}:index:status:${status}`,

    /** Orders of programs that speak Redis only, what became of each, and the last refusals. */
    intake: `${root}:intake`,
    intakeStatus: (account: string, key: string) => `${root}:intake:status:${account}:${key}`,
    intakeRejected: `${root}:intake:rejected`,

    /** Reports of an account that are not begun, that are being written, and that wait for a running place; score = since when. */
    waiting: (account: string) => `${root}:waiting:${account}`,
    running: (account: string) => `${root}:running:${account}`,
    capped: (account: string) => `${root}:capped:${account}`,
    cappedAccounts: `${root}:capped`,
    /** Rung where sections of a type wait that are first in their account's line. */
    firstInLine: (type: string) => `${root}:first-in-line:${type}`,
    /** Reports with a time by which they are wanted; score = when the sweeper looks at them next. */
    deliverBy: `${root}:deliver-by`,

    /** Every report type that was announced, and the breaker of each; further keys of a breaker are derived from its own. */
    breakers: `${root}:breakers`,
    breaker: (type: string) => `${root}:breaker:${type}`,

    /** What the fleet has counted since it began; see `count.ts`. */
    counts: `${root}:counts`,

    /** How long the last runs of a section took, newest first. */
    durations: (type: string, section: string) => `${root}:durations:${type}:${section}`,

    processes: `${root}:processes`,
    process: (processId: string) => `${root}:process:${processId}`,
    /** What a process has in hand: job reference → report and section. Emptied by itself or by the sweeper. */
    inHand: (processId: string) => `${root}:process:${processId}:in-hand`,
    /** By which names a process fetches jobs: BullMQ worker id → queue. */
    fetchers: (processId: string) => `${root}:process:${processId}:fetchers`,
    sweeperLease: `${root}:sweeper`,
    /** Which derived sums and lists are complete; see `layout.ts`. */
    layout: `${root}:layout`,

    /** Ended reports; score = when retention looks at them next. */
    ended: `${root}:ended`,

    routes: `${root}:routes`,
    route: (routeId: string) => `${root}:route:${routeId}`,
    /** Open asks of a route; score = end of lease. */
    routeSlots: (routeId: string) => `${root}:route:${routeId}:slots`,
    /** Host and model → when and to whom it answered last, whatever the key. */
    answered: `${root}:answered`,
    spendingStop: `${root}:spending:stop`,

    /** Endpoints that want to be told outside, and the facts on their way to them. The scripts know these two names. */
    webhooks: `${root}:webhook-endpoints`,
    webhookOutbox: `${root}:webhook-outbox`,
    webhook: (endpoint: string) => `${root}:webhook:${endpoint}`,
    webhookDelivery: (delivery: string) => `${root}:webhook-delivery:${delivery}`,
    /** Deliveries that need a job; score = when it is missed. */
    webhookDue: `${root}:webhook-due`,
    webhookPending: (endpoint: string) => `${root}:webhook-pending:${endpoint}`,
    webhookSettled: (endpoint: string) => `${root}:webhook-settled:${endpoint}`,
    /** What was spent since midnight UTC, in all and per account; estimates of calls in flight included. */
    spentToday: `${root}:spending:today`,
    /** An accepted answer that other reports of its scope may reuse, and which entries a report has made. */
    cache: (scope: string, questionHash: string) => `${root}:cache:${questionHash}:${scope}`,
    cachedBy: (id: ReportId) => `${root}:report:${id}:cached`,

    /** Keys of the HTTP API, their hashes only; what was answered under an idempotency key; requests of this minute. */
    apiKeys: `${root}:api-keys`,
    apiKey: (keyId: string) => `${root}:api-key:${keyId}`,
    keptAnswer: (keyHash: string) => `${root}:http-answer:${keyHash}`,
    requestRate: (keyId: string) => `${root}:http-rate:${keyId}`,

    /** People at the console, their one-time links, and wrong passwords of late; hashes only. */
    consoleSession: (hash: string) => `${root}:console:session:${hash}`,
    consoleLink: (hash: string) => `${root}:console:link:${hash}`,
    consoleQueueReason: (hash: string) => `${root}:console:queues:${hash}`,
    consoleTries: (whose: string) => `${root}:console:tries:${whose}`,
  };
}
