/**
 * The answer to one take: from its checkpoint if there is one, else from a provider, once.
 *
 * Everything that could forbid the call is asked before it leaves, in one script; whatever comes back is booked before
 * anybody looks into it. A route that gives no answer is the route's trouble, not the section's, unless others are
 * answered: see `store/routes.ts`.
 */
import { randomUUID } from "node:crypto";
import type { Answer } from "../domain/call.ts";
import type { Evidence } from "../domain/evidence.ts";
import type { Failure, RepairRung, Verdict } from "../domain/failure.ts";
import { formatUsd } from "../domain/ids.ts";
import type { Asked, LlmRequest, Route } from "../llm/port.ts";
import { estimateMicros } from "../llm/prices.ts";
import { estimateTokens } from "../llm/token-estimate.ts";
import { concludeUnanswered } from "../store/call-outcomes.ts";
import { beginCall, type Asking, type Begun, type WaitReason } from "../store/calls.ts";
import { closeRoute, reportTrouble } from "../store/routes.ts";
import { continued } from "./repair-question.ts";
import { patiently } from "./patiently.ts";
import { summaryOf, type Session } from "./session.ts";
import type { Stop } from "./stop.ts";

interface Wanted {
  callKey: string;
  call: string;
  promptVersion: string;
  take: number;
  /** Preferred first; a later one is used where those before it stay closed. */
  routes: readonly Route[];
  question: LlmRequest;
  /** What a continued answer continues; empty otherwise. */
  continues: string;
  rung?: RepairRung | undefined;
}

interface Reply {
  answer: Answer;
  take: number;
  /** The take that the last resume began with. */
  first: number;
  state: "open" | "accepted" | "rejected";
}

export async function answerFor(session: Session, wanted: Wanted): Promise<Reply> {
  let soonest: { afterMs: number; because: string } | null = null;
  let closed: Extract<Stop, { stop: "failed" }> | null = null;
  for (const route of wanted.routes) {
    const asking = askingFor(session, wanted, route);
    const settlements = session.takeSettlements();
    const begun = await session.fromStore(() =>
      beginCall(session.workshop.store, session.claim, asking, gateOf(session, route), settlements),
    );
    switch (begun.outcome) {
      case "go": {
        asking.take = begun.take;
        const reply = await ask(session, wanted, route, asking, begun.at);
        if ("answer" in reply) return { ...reply, first: begun.first };
        closed ??= reply.closed;
        continue;
      }
      case "checkpoint":
        return { answer: begun.answer, take: begun.take, first: begun.first, state: begun.state };
      case "wait": {
        const afterMs = waitOf(session, begun);
        if (soonest === null || afterMs < soonest.afterMs)
          soonest = { afterMs, because: WAITING[begun.why](begun.detail) };
        // Another route helps against a closed route only, and only where the wait is long.
        if (mayPassOver(begun, session.workshop.durations.fallbackAfterMs)) continue;
        break;
      }
      case "superseded":
        return session.stopWith({ stop: "superseded" });
      case "stopped":
        return session.stopWith({ stop: "halted" });
      case "postponed":
        return session.stopWith({ stop: "postponed" });
      case "over_budget": {
        const { spentMicros, budgetMicros } = begun;
        const spent = `${formatUsd(spentMicros)} of ${formatUsd(budgetMicros)} is spent and this call may cost ${formatUsd(asking.estimateMicros)}`;
        return fail(
          session,
          "generate",
          "budget_exceeded",
          `The report's budget would be exceeded: ${spent}.`,
        );
      }
      case "damaged":
        return fail(
          session,
          "load",
          "checkpoint_damaged",
          `The stored answer of ${wanted.callKey} is damaged: ${begun.because}.`,
        );
    }
    break;
  }
  if (soonest !== null) {
    return session.stopWith({
      stop: "wait",
      afterMs: spread(session, soonest.afterMs),
      because: soonest.because,
    });
  }
  if (closed !== null) return session.stopWith(closed);
  throw new Error(`No route answers call ${wanted.callKey} of ${session.claim.report}.`);
}

function askingFor(session: Session, wanted: Wanted, route: Route): Asking {
  const { question } = wanted;
  const inputTokens = estimateTokens(question.messages);
  const outputTokens = Math.min(
    question.maxOutputTokens,
    route.price.maxOutputTokens ?? question.maxOutputTokens,
  );
  if (surelyTooLarge(inputTokens, route)) {
    fail(
      session,
      "generate",
      "context_length_exceeded",
      `The prompt of call ${wanted.call} is about ${inputTokens} tokens, more than the ${route.price.contextTokens} that ${route.model} reads. Nothing was paid; send a smaller source.`,
    );
  }
  return {
    callKey: wanted.callKey,
    call: wanted.call,
    promptVersion: wanted.promptVersion,
    take: wanted.take,
    askId: randomUUID(),
    route: route.id,
    estimateMicros: estimateMicros(route.price, inputTokens, outputTokens),
    estimateTokens: inputTokens + outputTokens,
    rung: wanted.rung,
  };
}

/** The estimate is an upper bound; what is refused here must be too large by any count. The rest the provider refuses unbilled. */
function surelyTooLarge(inputTokens: number, route: Route): boolean {
  return route.price.contextTokens !== null && inputTokens * 0.6 > route.price.contextTokens;
}

/** The route is closed by what it answered: another one may be asked, and if there is none, this is the stop. */
interface RouteClosed {
  closed: Extract<Stop, { stop: "failed" }>;
}

async function ask(
  session: Session,
  wanted: Wanted,
  route: Route,
  asking: Asking,
  beganAt: number,
): Promise<Omit<Reply, "first"> | RouteClosed> {
  const { store, llm, spool, processId, durations } = session.workshop;
  const { signal } = session.control;
  const leftAt = performance.now();
  const asked = await llm.ask(
    route,
    { ...wanted.question, maxOutputTokens: outputLimit(wanted.question, route) },
    signal,
  );
  if (asked.outcome === "failed") {
    const elapsedMs = Math.round(performance.now() - leftAt);
    return unanswered(session, route, asking, asked, { beganAt, elapsedMs });
  }

  const answer = wanted.continues === "" ? asked.answer : continued(wanted.continues, asked.answer);
  const { report, section } = session.claim;
  const recorded = await spool.record(store, { report, section, asking, process: processId }, answer, {
    spoolAfterMs: durations.spoolAfterMs,
    signal,
  });
  if (recorded.outcome === "erased") session.stopWith({ stop: "superseded" });
  // Another answer to this very take came first and counts; ours is booked as a duplicate.
  const winner = recorded.outcome === "duplicate" ? recorded.winner : null;
  return { answer: winner ?? answer, take: asking.take, state: "open" };
}

async function unanswered(
  session: Session,
  route: Route,
  asking: Asking,
  asked: Extract<Asked, { outcome: "failed" }>,
  { beganAt, elapsedMs }: { beganAt: number; elapsedMs: number },
): Promise<RouteClosed> {
  const { store, durations } = session.workshop;
  const { billing } = asked;
  const { failure, verdict } = session.judge(asked.evidence, { unknownBilling: billing === "unknown" });
  // Money, keys, models and endpoints: no report gets an answer here until somebody changes something.
  const isClosed = failure.scope === "route" && (failure.kind === "workflow" || failure.kind === "cost");
  const stayAwayMs = !isClosed && verdict.verdict === "wait" ? verdict.afterMs : 0;
  const outcome = { billing, failure: summaryOf(failure), elapsedMs, stayAwayMs };
  await patiently(session.control.signal, () => concludeUnanswered(store, session.claim, asking, outcome));
  if (session.control.signal.aborted)
    session.stopWith({ stop: "hand_on", because: "the grace period is over" });

  if (isClosed) {
    await closeForAll(session, route, failure);
    const wait = verdict.verdict === "wait" ? { ...verdict, afterMs: closedRouteMs(session) } : verdict;
    return { closed: { stop: "failed", failure, verdict: wait } };
  }
  if (stayAwayMs > durations.fallbackAfterMs) return { closed: { stop: "failed", failure, verdict } };
  if (!mayHeal(failure, verdict)) return session.stopWith({ stop: "failed", failure, verdict });
  const { report, section } = session.claim;
  const trouble = await session.fromStore(() =>
    reportTrouble(
      store,
      route.id,
      { report, section, callKey: asking.callKey },
      {
        beganAt,
        freeForMs: durations.troubleFreeMs,
        firstMs: durations.troubleFirstMs,
        longestMs: durations.troubleLongestMs,
        random: session.workshop.random(),
      },
    ),
  );
  // What may have been billed spends an attempt whoever is at fault, or it could be billed for ever.
  const free = billing === "not_billed" && trouble.fault !== "request";
  if (!free) return session.stopWith({ stop: "failed", failure, verdict });
  const message = failure.message.replace(/\.$/, "");
  const wait: Verdict =
    trouble.fault === "route"
      ? {
          verdict: "wait",
          afterMs: trouble.waitMs,
          because: `${message}; the route is tried again by one call at a time`,
        }
      : {
          verdict: "wait",
          afterMs: verdict.verdict === "retry" ? verdict.afterMs : durations.troubleFirstMs,
          because: `${message}; it is tried again, and no attempt is spent yet`,
        };
  return session.stopWith({ stop: "failed", failure, verdict: wait });
}

/** A call whose retries are used up waits for a silent route like any other: those attempts were spent before. */
function mayHeal(failure: Failure, verdict: Verdict): boolean {
  if (verdict.verdict === "retry") return true;
  return (
    verdict.verdict === "park" &&
    failure.kind === "transient" &&
    failure.retryable &&
    failure.cooldownMs === null
  );
}

async function closeForAll(session: Session, route: Route, failure: Failure): Promise<void> {
  const { store, processId, durations } = session.workshop;
  // Out of money is a fact of the account; a refused key may be this process's own mistake.
  const withdrawWithinMs = failure.kind === "workflow" ? durations.withdrawWithinMs : 0;
  const outcome = await session.fromStore(() =>
    closeRoute(store, route.id, failure.message, processId, withdrawWithinMs),
  );
  if (outcome === "withdraw") {
    session.workshop.withdraw(
      `${failure.message} Others are answered on ${route.id}: check OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL of this process.`,
    );
    session.stopWith({ stop: "hand_on", because: "its worker withdrew" });
  }
}

function gateOf(session: Session, route: Route) {
  const { caps, durations } = session.workshop;
  return { limits: route.limits, caps, leaseMs: durations.callTotalMs };
}

/** Asking for more than the model can write is refused by providers; asking for less only bounds the answer. */
function outputLimit(question: LlmRequest, route: Route): number {
  return Math.min(question.maxOutputTokens, route.price.maxOutputTokens ?? question.maxOutputTokens);
}

/** How often a route is looked at again that only a person opens: rarely, for thousands may wait for it. */
function closedRouteMs(session: Session): number {
  return session.workshop.durations.askAgainMs * 6;
}

function waitOf(session: Session, begun: Extract<Begun, { outcome: "wait" }>): number {
  if (begun.why === "closed") return closedRouteMs(session);
  return begun.why === "spending_stopped" ? session.workshop.durations.askAgainMs * 2 : begun.afterMs;
}

function mayPassOver(begun: Extract<Begun, { outcome: "wait" }>, fallbackAfterMs: number): boolean {
  if (begun.why === "closed" || begun.why === "probing") return true;
  return begun.why === "closed_until" && begun.afterMs > fallbackAfterMs;
}

/** Who waits for the same moment must not come back in the same millisecond. */
function spread(session: Session, afterMs: number): number {
  return Math.ceil(afterMs * (1 + session.workshop.random() * 0.1));
}

function fail(session: Session, stage: Evidence["stage"], code: string, message: string): never {
  return session.stopWith({
    stop: "failed",
    ...session.judge({ surface: "domain", stage, domain: { code, message } }),
  });
}

/** What a person reads while a section waits; complete by its type. */
const WAITING = {
  spending_stopped: (reason) => `spending is stopped: ${reason}`,
  fleet_cap: () => "today's spend cap of the fleet is reached",
  account_cap: () => "today's spend cap of the account is reached",
  closed: (reason) => `the route is closed until a person opens it: ${reason}`,
  closed_until: () => "the provider asked to wait",
  probing: () => "the provider gives no answers; one call at a time tries it",
  requests_per_minute: () => "this minute's requests are used up",
  tokens_per_minute: () => "this minute's tokens are used up",
  concurrency: () => "all of the route's slots are taken",
  on_its_way: () => "the same question is on its way already",
} as const satisfies Record<WaitReason, (detail: string) => string>;
