/**
 * The load client: buyers who order, send again what was not answered, cancel and read; and an operator who decides about
 * what waits for a person and starts stopped types again. It knows the fleet by its HTTP API alone, and writes down every
 * answer, because what it was told is what the fleet has promised.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { ACCOUNTS, type Plan, type PlannedOrder } from "../plan.ts";
import { accountsIn, writeDown, type ClientRow } from "../witnesses.ts";

export interface ClientSettings {
  planFile: string;
  witness: string;
  apis: string[];
  /** By account; `fleet` is the operator's. */
  keys: Record<string, string>;
  /** Texts that no answer may hold. */
  secrets: string[];
}
export type ToClient = { order: PlannedOrder } | { finishWithinMs: number };
export type FromClient = { accepted: number; unsettled: string[]; finished: boolean };

const settings = JSON.parse(process.argv[2] ?? "{}") as ClientSettings;
const plan = JSON.parse(readFileSync(settings.planFile, "utf8")) as Plan;

const REQUEST_MS = 12_000;
const ORDER_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 1_000;
const DECIDE_EVERY_MS = 1_500;
const ENDED = ["completed", "failed", "cancelled"];

type Undated<One> = One extends ClientRow ? Omit<One, "at"> : never;

function note(row: Undated<ClientRow>): void {
  writeDown(settings.witness, { at: Date.now(), ...row });
}

interface Answer {
  status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- a client reads whatever it was answered
  json: any;
  text: string;
  etag: string | null;
}

let turn = 0;

/** Null where no answer came. Takes turns between the processes of the API, as a load balancer would. */
async function ask(
  caller: string,
  method: string,
  path: string,
  more: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer | null> {
  const api = settings.apis[turn++ % settings.apis.length] ?? "";
  try {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${settings.keys[caller] ?? ""}`,
        ...(more.body === undefined ? {} : { "Content-Type": "application/json" }),
        ...more.headers,
      },
      ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const text = await response.text();
    lookForLeaks(caller, path, text);
    return { status: response.status, json: asJson(text), text, etag: response.headers.get("etag") };
  } catch {
    return null;
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function lookForLeaks(caller: string, path: string, text: string): void {
  const foreign = caller === "fleet" ? [] : [...accountsIn(text)].filter((account) => account !== caller);
  const secrets = settings.secrets.filter((secret) => text.includes(secret));
  if (foreign.length + secrets.length > 0)
    note({ what: "leak", caller, path, found: [...foreign, ...secrets] });
}

const orders = new Map<string, PlannedOrder>();
const seen = new Map<string, { status: string; sentence: string }>();

async function buy(order: PlannedOrder): Promise<void> {
  const sent = Array.from({ length: order.parallel }, () => send(order));
  const report = (await Promise.all(sent)).find((id) => id !== null);
  if (report === undefined || report === null) return;
  if (order.reusesKey) await reuseKey(order);
  if (order.cancelAfterMs === null) return;
  await pause(order.cancelAfterMs);
  await cancel(order, report);
}

function bodyOf({ type, topic, n, poison }: PlannedOrder): object {
  // By the tag the checker finds the order again in the store; the fleet itself never reads it.
  return { type, source: { topic, order: n, ...(poison ? { poison } : {}) }, tags: { order: String(n) } };
}

/** Sends until it is answered: a lost answer is asked for again under the same key. */
async function send(order: PlannedOrder): Promise<string | null> {
  const { n, account, type } = order;
  const until = performance.now() + ORDER_WITHIN_MS;
  for (let tries = 1; ; tries++) {
    const answer = await ask(account, "POST", "/v1/reports", {
      body: bodyOf(order),
      headers: { "Idempotency-Key": `order-${n}` },
    });
    if (answer?.status === 202) {
      const { id, repeated } = answer.json as { id: string; repeated: boolean };
      orders.set(id, order);
      note({ what: "ordered", order: n, account, type, status: 202, report: id, repeated });
      return id;
    }
    if (answer !== null && answer.status < 500 && answer.status !== 409 && answer.status !== 429) {
      note({ what: "refused", order: n, account, status: answer.status, code: codeOf(answer) });
      return null;
    }
    if (performance.now() > until) {
      note({ what: "unanswered", order: n, account, tries });
      return null;
    }
    await pause(200 + 100 * Math.min(tries, 10));
  }
}

function codeOf(answer: Answer): string {
  return (answer.json as { code?: string } | null)?.code ?? "";
}

async function reuseKey(order: PlannedOrder): Promise<void> {
  const { n, account } = order;
  for (let tries = 0; tries < 20; tries++) {
    const answer = await ask(account, "POST", "/v1/reports", {
      body: bodyOf({ ...order, topic: `${order.topic} and something else` }),
      headers: { "Idempotency-Key": `order-${n}` },
    });
    if (answer === null || answer.status >= 500 || codeOf(answer) === "in_progress") {
      await pause(500);
      continue;
    }
    note({
      what: "reused_key",
      order: n,
      status: answer.status,
      report: (answer.json as { id?: string } | null)?.id ?? null,
    });
    return;
  }
}

async function cancel({ n, account }: PlannedOrder, report: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const answer = await ask(account, "POST", `/v1/reports/${report}/cancel`, { body: { why: "chaos" } });
    if (answer?.status === 200) {
      const { status } = answer.json as { status: string };
      note({ what: "cancelled", order: n, report, status });
      return;
    }
    if (answer !== null && answer.status < 500 && answer.status !== 409) return;
    await pause(500);
  }
}

/** Every account's newest reports, as it sees them itself, back to the last one that is not settled. */
async function look(): Promise<void> {
  const open = new Set(unsettled());
  for (const account of ACCOUNTS) {
    const isOpen = () => [...open].some((id) => orders.get(id)?.account === account);
    for (let cursor = ""; ;) {
      const answer = await ask(account, "GET", `/v1/reports?limit=200${cursor}`);
      if (answer?.status !== 200) break;
      const page = answer.json as { data: Row[]; next_cursor: string | null };
      for (const row of page.data) {
        sawRow(row);
        open.delete(row.id);
      }
      if (page.next_cursor === null || !isOpen()) break;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }
  for (const id of open) await lookFor(id);
}

/** What a failover has forgotten is in no list, and never will be: whether it may be is for the judge to say. */
async function lookFor(report: string): Promise<void> {
  const account = orders.get(report)?.account;
  const answer = account === undefined ? null : await ask(account, "GET", `/v1/reports/${report}`);
  if (answer?.status !== 404) return;
  gone.add(report);
  note({ what: "gone", report });
}

interface Row {
  id: string;
  account: string;
  status: string;
  statusText: string;
  credits: { amount: number; state: string };
}

function sawRow({ id, status, statusText, credits }: Row): void {
  const before = seen.get(id);
  if (before?.status === status && before.sentence === statusText) return;
  seen.set(id, { status, sentence: statusText });
  note({
    what: "saw",
    report: id,
    status,
    sentence: statusText,
    credits: credits.amount,
    held: credits.state,
  });
}

const gone = new Set<string>();
const documents = new Map<string, "reading" | "read">();

async function readDelivered(): Promise<void> {
  const delivered = [...seen].filter(([id, { status }]) => status === "completed" && !documents.has(id));
  for (const [report] of delivered.slice(0, 20)) {
    const account = orders.get(report)?.account;
    if (account === undefined) continue;
    const answer = await ask(account, "GET", `/v1/reports/${report}/output?format=md`);
    if (answer === null || answer.status >= 500) continue;
    documents.set(report, "read");
    if (answer.status === 200) {
      const hash = createHash("sha256").update(answer.text).digest("hex");
      note({ what: "read", report, hash, bytes: answer.text.length });
    } else note({ what: "unreadable", report, status: answer.status, code: codeOf(answer) });
  }
}

/** The planned decision as the API names it, and as a case lists it among what is possible. */
const ACTION_OF = {
  resume: "resume",
  skip: "skip_section",
  "deliver-partial": "deliver_partial",
  reject: "reject",
} as const;
/** What a person could not mend in so many rounds is given up. */
const MOST_DECISIONS = 4;

const decisionsOf = new Map<string, number>();

async function decide(): Promise<void> {
  const answer = await ask("fleet", "GET", "/v1/reviews?limit=50");
  if (answer?.status !== 200) return;
  for (const found of (answer.json as { data: Case[] }).data) {
    const order = orders.get(found.report);
    if (order !== undefined) await decideAbout(found, order);
  }
}

interface Case {
  id: string;
  report: string;
  actions: string[];
}

async function decideAbout({ id, report, actions }: Case, order: PlannedOrder): Promise<void> {
  const made = decisionsOf.get(report) ?? 0;
  const planned = made >= MOST_DECISIONS ? "reject" : (order.decisions[made] ?? "resume");
  if (planned === "leave") return;
  // A report that is still being written cannot be rejected or delivered in part yet; a poisoned one is never resumed.
  const action = actions.includes(ACTION_OF[planned]) ? planned : "resume";
  if (!actions.includes(ACTION_OF[action]) || (planned === "reject" && action !== "reject")) return;
  const found = await ask("fleet", "GET", `/v1/reviews/${encodeURIComponent(id)}`);
  if (found?.status !== 200) return;
  const why = `decision ${made + 1} about order ${order.n}`;
  const decided = await ask("fleet", "POST", `/v1/reviews/${encodeURIComponent(id)}/${action}`, {
    body: { why, by: "operator" },
    headers: { "If-Match": found.etag ?? "", "Idempotency-Key": `${id}-${made}` },
  });
  if (decided?.status !== 200) return;
  decisionsOf.set(report, made + 1);
  note({ what: "decided", report, case: id, action, by: "operator", why });
}

/** A type that stopped by itself is tried again after a while, canaries first. */
async function startStoppedTypes(): Promise<void> {
  for (const type of new Set(plan.orders.map((order) => order.type))) {
    const answer = await ask("fleet", "GET", `/v1/types/${type}/breaker`);
    const { state, since } = (answer?.status === 200 ? answer.json : {}) as {
      state?: string;
      since?: number;
    };
    if (state !== "open" || since === undefined || Date.now() - since < 3_000) continue;
    const why = "the provider is said to be well again";
    const turned = await ask("fleet", "POST", `/v1/types/${type}/enable`, {
      body: { why, by: "operator", canary: true },
    });
    if (turned?.status === 200) note({ what: "turned", type, to: "half_open", by: "operator", why });
  }
}

/** A route that only a person opens was closed by one strange answer here; it is looked at and opened again. */
async function openClosedRoutes(): Promise<void> {
  const answer = await ask("fleet", "GET", "/v1/routes");
  if (answer?.status !== 200) return;
  for (const { route, closed } of (answer.json as { data: { route: string; closed: string | null }[] })
    .data) {
    if (closed === null) continue;
    const opened = await ask("fleet", "POST", `/v1/routes/${encodeURIComponent(route)}/open`, {
      body: { by: "operator" },
    });
    if (opened?.status === 200) note({ what: "opened", route, by: "operator" });
  }
}

/** An account whose reports failed too often for its money is looked at, and may go on: until then no resume is taken. */
async function endCreditReviews(): Promise<void> {
  for (const account of ACCOUNTS) {
    const answer = await ask("fleet", "GET", `/v1/accounts/${account}`);
    const { creditReview } = (answer?.status === 200 ? answer.json : {}) as { creditReview?: object | null };
    if (creditReview === undefined || creditReview === null) continue;
    const body = { why: "the provider was at fault", by: "operator" };
    const ended = await ask("fleet", "POST", `/v1/accounts/${account}/end-credit-review`, { body });
    if (ended?.status === 200) note({ what: "review_ended", account, by: "operator" });
  }
}

/** Reports that neither are over nor wait for a decision that nobody will make. */
function unsettled(): string[] {
  return [...orders.entries()].flatMap(([id, order]) => {
    const status = seen.get(id)?.status ?? "unseen";
    const left = status === "needs_review" && order.decisions.includes("leave");
    return ENDED.includes(status) || left || gone.has(id) ? [] : [id];
  });
}

async function every(ms: number, work: () => Promise<void>): Promise<void> {
  while (!over.aborted) {
    await work().catch(() => undefined);
    await pause(ms);
  }
}

function tell(finished: boolean): void {
  const message = { accepted: orders.size, unsettled: unsettled(), finished } satisfies FromClient;
  if (process.connected) process.send?.(message, undefined, undefined, () => finished && process.exit(0));
}

const finishing = new AbortController();
const over = finishing.signal;
let finishBy = Number.POSITIVE_INFINITY;
const buying: Promise<void>[] = [];

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToClient) => {
  if ("order" in message) buying.push(buy(message.order));
  else finishBy = performance.now() + message.finishWithinMs;
});

const startedAt = performance.now();
const persons = [
  every(LOOK_EVERY_MS, async () => {
    await look();
    await readDelivered();
  }),
  every(DECIDE_EVERY_MS, decide),
  every(DECIDE_EVERY_MS, startStoppedTypes),
  every(DECIDE_EVERY_MS, openClosedRoutes),
  every(DECIDE_EVERY_MS, endCreditReviews),
];
const telling = setInterval(() => tell(false), 250);
for (const order of plan.orders) {
  await pause(Math.max(0, startedAt + order.atMs - performance.now()));
  buying.push(buy(order));
}
for (;;) {
  const open = unsettled();
  const told = performance.now() > finishBy || (finishBy !== Number.POSITIVE_INFINITY && open.length === 0);
  if (told) {
    await Promise.all(buying);
    await readDelivered();
    if (unsettled().length === 0 || performance.now() > finishBy) break;
  }
  await pause(250);
}
finishing.abort();
await Promise.all(persons);
clearInterval(telling);
tell(true);
