/**
 * What a run does, decided before it begins and by its seed alone: who orders what and when, which questions the provider
 * answers badly, and which faults hit in which order. The same seed is the same plan; how the operating system interleaves
 * the processes is not in it, so two runs of one seed are alike and not equal.
 */
import type { Fault, FaultRule } from "../../src/llm/simulated/faults.ts";
import { seededRandom, shuffled } from "../../src/llm/simulated/random.ts";
import { canaryOf } from "./witnesses.ts";

export const ACCOUNTS = ["alpha", "beta", "gamma"] as const;
/** The poor one runs out of credits in the middle. */
export const CREDITS: Readonly<Record<(typeof ACCOUNTS)[number], number>> = {
  alpha: 100_000,
  beta: 100_000,
  gamma: 60,
};

/** A process that is silent for so long is given up; the product's own default is 15 s at scale 1. */
export const TIME_SCALE = 0.4;

export type Decision = "resume" | "skip" | "deliver-partial" | "reject" | "leave";

export interface PlannedOrder {
  n: number;
  atMs: number;
  account: (typeof ACCOUNTS)[number];
  type: string;
  topic: string;
  poison: boolean;
  /** How often it is sent at the same moment. */
  parallel: number;
  /** Sent again under its key with another body once it is accepted. */
  reusesKey: boolean;
  cancelAfterMs: number | null;
  /** What the operator does about its first case, and about those after it. */
  decisions: readonly [Decision, Decision];
}

export interface Plan {
  seed: number;
  orders: PlannedOrder[];
  /** What the provider does wrong. */
  rules: FaultRule[];
  /** Marks whose first answer is a 429 that names a wait, in ms. */
  told: Record<string, number>;
  /** How long orders come in and faults hit. */
  loadMs: number;
  /**
   * Fault ids, the faults of a lane one after the other, the lanes side by side. A fault of several forms takes them in
   * turn; `F6:2` is its third.
   */
  lanes: string[][];
}

export interface PlanSettings {
  seed: number;
  loadMs: number;
  orders: number;
  lanes: readonly (readonly string[])[];
  /** Faults are repeated in new orders until the load ends. */
  repeat: boolean;
  /** Share of orders with a question that the provider answers badly. */
  provoked: number;
  /** Share of orders that are cancelled while they are written. */
  cancelled?: number;
  /** What the provider then does, each as likely; anything it can do, unless said. */
  kinds?: readonly Fault["kind"][];
  /** Types whose answers take their time, so that much can happen while they are written. */
  slow?: readonly string[];
  /** How often each type is ordered, and how the operator decides about a first case, as weights. */
  types?: Readonly<Record<string, number>>;
  decisions?: Readonly<Partial<Record<Decision, number>>>;
}

export function planRun(settings: PlanSettings): Plan {
  const { seed, loadMs } = settings;
  const random = seededRandom(`chaos/${seed}/workload`);
  const orders = Array.from({ length: settings.orders }, (_, index) =>
    plannedOrder(index + 1, settings, random),
  );
  const { rules, told } = provoke(orders, settings);
  return { seed, orders, rules, told, loadMs, lanes: settings.lanes.map((lane) => [...lane]) };
}

const DECISIONS = { resume: 55, skip: 12, "deliver-partial": 13, reject: 10, leave: 10 };
const TYPES = { pair: 30, stairs: 24, chain: 19, planned: 12, brittle: 12, glutton: 3 };

function plannedOrder(
  n: number,
  { loadMs, orders, types = TYPES, decisions = DECISIONS, cancelled = 0.06 }: PlanSettings,
  random: () => number,
): PlannedOrder {
  const account = random() < 0.55 ? "alpha" : random() < 0.75 ? "beta" : "gamma";
  return {
    n,
    atMs: Math.round(((n - random()) / orders) * loadMs),
    account,
    type: weighted(types, random),
    topic: `${pick(["tides", "bridges", "mills", "night trains", "harbours", "tolls"], random)} ${canaryOf(account, n)}`,
    poison: false,
    parallel: random() < 0.1 ? 3 : 1,
    reusesKey: random() < 0.05,
    cancelAfterMs: random() < cancelled ? Math.round(300 + random() * 2_500) : null,
    decisions: [weighted<Decision>(decisions, random), random() < 0.5 ? "resume" : "reject"],
  };
}

const CALLS: Readonly<Record<string, readonly { call: string; json: boolean }[]>> = {
  pair: [
    { call: "first/draft", json: false },
    { call: "second/draft", json: false },
  ],
  stairs: [
    { call: "body/draft", json: false },
    { call: "body/polish", json: false },
    { call: "body/close", json: false },
  ],
  chain: [
    { call: "outline/draft", json: true },
    { call: "body/draft", json: false },
    { call: "summary/draft", json: false },
  ],
  planned: [
    { call: "plan/plan", json: true },
    { call: "chapter-1/draft", json: false },
  ],
  brittle: [],
  glutton: [],
};

/** So many orders of the brittle type are answered badly, repair and all: its breaker opens, and its first canaries fail. */
const BRITTLE_ORDERS = 6;
/** The slowest answer of a run. It is booked before its first piece leaves. */
const DRIP = { kind: "slow_drip", everyMs: 60, chunks: 30 } as const satisfies Fault;
export const LONGEST_DRIP_MS = DRIP.everyMs * DRIP.chunks;

function slowly(type: string): FaultRule {
  return { match: { contains: `[[${type}/` }, fault: DRIP };
}

function provoke(
  orders: readonly PlannedOrder[],
  { seed, provoked, kinds, slow = [] }: PlanSettings,
): Pick<Plan, "rules" | "told"> {
  const random = seededRandom(`chaos/${seed}/provider`);
  const rules: FaultRule[] = orders
    .filter(({ type }) => type === "brittle")
    .slice(0, BRITTLE_ORDERS)
    .map(({ n }) => ({
      match: { contains: `[[brittle/table/draft/${n}]]`, first: 2 },
      fault: { kind: "wrong_schema" },
    }));
  // Its other orders are answered slowly: a trial lasts for as long as others come and want to be written too.
  rules.push(slowly("brittle"), ...slow.map(slowly));
  const told: Record<string, number> = {};
  const dealt = { text: deck(kinds ?? anyKind(false), random), json: deck(kinds ?? anyKind(true), random) };
  const form = deck(FORMS, random);
  for (const { n, type } of orders) {
    const call = pick(CALLS[type] ?? [], random);
    if (call === undefined || random() >= provoked) continue;
    const mark = `${type}/${call.call}/${n}`;
    const fault = aFault(call.json ? dealt.json() : dealt.text(), form, random);
    // Most faults pass; some come again with the next try, and a few stay.
    const often = Number(weighted({ 1: 70, 2: 20, 9: 10 }, random));
    // But no wait: named nine times, one after the other, it would keep the whole fleet away for half a minute.
    const first = fault.kind === "rate_limit" ? Math.min(often, 2) : often;
    rules.push({ match: { contains: `[[${mark}]]`, first }, fault });
    if (fault.kind === "rate_limit" && NAMES_A_WAIT.includes(fault.retryAfter ?? "seconds"))
      told[mark] = (fault.seconds ?? 1) * 1_000;
  }
  return { rules, told };
}

const FORMS = [
  "seconds",
  "http_date",
  "ms_header",
  "absent",
  "negative",
  "in_message",
  "retry_info",
] as const;
const NAMES_A_WAIT = ["seconds", "ms_header", "in_message", "retry_info", "http_date"];

/** Deals all of them before any comes again, so that a plan has each kind in it, whatever its seed. */
function deck<Item>(items: readonly Item[], random: () => number): () => Item {
  let left: Item[] = [];
  return () => {
    if (left.length === 0) left = shuffled(items, random);
    const [next] = left.splice(-1);
    if (next === undefined) throw new RangeError("There is nothing to deal.");
    return next;
  };
}

/** What goes wrong with any answer; text and JSON are spoiled in ways of their own. */
const KINDS = [
  "rate_limit",
  "rate_limit",
  "server_error",
  "server_error",
  "reset",
  "cut_mid_body",
  "cut_mid_body",
  "refusal",
  "content_filter",
  "usage_missing",
  "usage_negative",
  "html",
  "error_in_200",
  "context_length",
  "slow_drip",
  "huge",
] as const satisfies Fault["kind"][];

function anyKind(json: boolean): Fault["kind"][] {
  const spoiled: Fault["kind"][] = json ? ["malformed", "wrong_schema"] : ["truncated", "empty"];
  return [...spoiled, ...spoiled, ...KINDS];
}

function aFault(
  kind: Fault["kind"],
  form: () => (typeof FORMS)[number],
  random: () => number,
): FaultRule["fault"] {
  switch (kind) {
    case "rate_limit":
      return { kind, retryAfter: form(), seconds: 1 + Math.floor(random() * 2) };
    case "server_error":
      return { kind, status: pick([500, 502, 503, 529] as const, random) ?? 500 };
    case "slow_drip":
      return { kind, everyMs: 40, chunks: 30 };
    case "huge":
      return { kind, megabytes: 2, gzip: random() < 0.5 };
    default:
      return { kind } as FaultRule["fault"];
  }
}

export function pick<T>(items: readonly T[], random: () => number): T | undefined {
  return items[Math.floor(random() * items.length)];
}

function weighted<Name extends string>(
  weights: Readonly<Partial<Record<Name, number>>>,
  random: () => number,
): Name {
  const entries = Object.entries(weights) as [Name, number][];
  let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  throw new RangeError("There is nothing to choose from.");
}
