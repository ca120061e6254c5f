/**
 * What a report's time went into, read from its events: per section when it waited for its turn, was written, cooled down
 * after a failure or waited for a person, and within that each call and step. Pure; the page draws it.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { Section } from "../domain/report.ts";

export interface Waterfall {
  from: EpochMs;
  to: EpochMs;
  sections: SectionTrack[];
}

export interface SectionTrack {
  key: string;
  title: string;
  spans: Span[];
  calls: CallTrack[];
  steps: { step: string; from: EpochMs; to: EpochMs }[];
}

export interface Span {
  kind: "waiting" | "working" | "cooldown" | "person";
  from: EpochMs;
  to: EpochMs;
  why: string;
}

export interface CallTrack {
  call: string;
  take: number;
  from: EpochMs;
  /** Null while it is asked. */
  to: EpochMs | null;
  outcome: "asking" | "answered" | "accepted" | "rejected" | "unanswered" | "duplicate" | "reused";
  micros: MicroUsd;
  /** Why it was rejected or not answered. */
  why: string | null;
  /** When a later try of the section read the answer instead of paying again. */
  readAgain: EpochMs[];
}

export interface TimedFact {
  at: EpochMs;
  event: FleetEvent;
}

export function waterfallOf(
  facts: readonly TimedFact[],
  sections: readonly Section[],
  { createdAt, endedAt, now }: { createdAt: EpochMs; endedAt: EpochMs | null; now: EpochMs },
): Waterfall {
  const to = endedAt ?? Math.max(now, facts.at(-1)?.at ?? createdAt);
  const tracks = new Map<string, Track>();
  const trackOf = (key: string, title?: string) => {
    const known = tracks.get(key) ?? new Track(key, title ?? key);
    tracks.set(key, known);
    return known;
  };
  for (const { key, title } of sections) trackOf(key, title);
  for (const { at, event } of facts) {
    if (event.event === "run.started") for (const key of event.sections) trackOf(key).queued(at);
    if (!("section" in event)) continue;
    trackOf(event.section).hear(at, event);
  }
  return { from: createdAt, to, sections: [...tracks.values()].map((track) => track.end(to)) };
}

/** One section while its events are read. */
class Track {
  readonly #key: string;
  readonly #title: string;
  readonly #spans: Span[] = [];
  readonly #calls: CallTrack[] = [];
  readonly #steps: SectionTrack["steps"] = [];
  #open: Omit<Span, "to"> | null = null;
  #runningSince = 0;

  constructor(key: string, title: string) {
    this.#key = key;
    this.#title = title;
  }

  queued(at: EpochMs): void {
    if (this.#open === null || this.#open.kind === "person") this.#turn(at, "waiting", "for its turn");
  }

  hear(at: EpochMs, event: Extract<FleetEvent, { section: string }>): void {
    switch (event.event) {
      case "section.status":
        this.#status(at, event);
        return;
      case "call.begun":
        // Asked after all: what was asked before differs from this question.
        for (const call of this.#calls)
          if (call.call === event.call)
            call.readAgain = call.readAgain.filter((read) => read < this.#runningSince);
        this.#calls.push({
          call: event.call,
          take: event.take,
          from: at,
          to: null,
          outcome: "asking",
          micros: 0,
          why: null,
          readAgain: [],
        });
        return;
      case "call.answered": {
        const call = this.#asked(event);
        if (call === undefined) return;
        call.to = at;
        call.from = Math.min(call.from, at - event.elapsedMs);
        call.micros = event.micros;
        call.outcome = event.duplicate ? "duplicate" : "answered";
        return;
      }
      case "call.unanswered": {
        const call = this.#asked(event);
        if (call === undefined) return;
        call.to = at;
        call.micros = event.micros;
        call.outcome = "unanswered";
        call.why = event.failure.message;
        return;
      }
      case "call.accepted":
        this.#judge(event, "accepted", null);
        return;
      case "call.rejected":
        this.#judge(event, "rejected", event.failure.message);
        return;
      case "call.reused":
        this.#calls.push({
          call: event.call,
          take: event.take,
          from: at,
          to: at,
          outcome: "reused",
          micros: 0,
          why: "the answer to the same question in another report",
          readAgain: [],
        });
        return;
      case "step.completed":
        this.#steps.push({ step: event.step, from: at - event.elapsedMs, to: at });
        return;
      // The section's own status tells both.
      case "review.opened":
      case "section.went_without":
        return;
    }
  }

  end(to: EpochMs): SectionTrack {
    this.#close(to);
    return {
      key: this.#key,
      title: this.#title,
      spans: this.#spans,
      calls: this.#calls,
      steps: this.#steps,
    };
  }

  #status(at: EpochMs, event: Extract<FleetEvent, { event: "section.status" }>): void {
    switch (event.status) {
      case "running":
        // What was accepted before is read from its checkpoint now, and not paid again.
        for (const call of this.#calls) if (call.outcome === "accepted") call.readAgain.push(at);
        this.#runningSince = at;
        this.#turn(at, "working", "");
        return;
      case "pending":
        this.#turn(at, "waiting", event.because ?? "for its turn");
        return;
      case "waiting_for_retry":
        // Without a failure it only waits for capacity, and no attempt is spent.
        this.#turn(at, event.failure === undefined ? "waiting" : "cooldown", event.because ?? "");
        return;
      case "needs_review":
        this.#turn(at, "person", event.because ?? "");
        return;
      case "completed":
      case "failed":
      case "skipped":
        this.#close(at);
    }
  }

  #turn(at: EpochMs, kind: Span["kind"], why: string): void {
    this.#close(at);
    this.#open = { kind, from: at, why };
  }

  #close(at: EpochMs): void {
    if (this.#open !== null) this.#spans.push({ ...this.#open, to: Math.max(at, this.#open.from) });
    this.#open = null;
  }

  /** The newest question that is still open; a duplicate answers one that was answered before. */
  #asked({ call, take }: { call: string; take: number }): CallTrack | undefined {
    const same = this.#calls.filter((one) => one.call === call && one.take === take);
    return same.findLast(({ outcome }) => outcome === "asking") ?? same.at(-1);
  }

  #judge(
    { call, take }: { call: string; take: number },
    outcome: CallTrack["outcome"],
    why: string | null,
  ): void {
    const judged = this.#calls.findLast(
      (one) =>
        one.call === call && one.take === take && one.outcome !== "unanswered" && one.outcome !== "duplicate",
    );
    if (judged === undefined) return;
    judged.outcome = outcome;
    judged.why = why;
  }
}

/** Where a time lies on the page, in percent. Long stretches in which nothing was worked on are drawn short. */
export interface Scale {
  at(time: EpochMs): number;
  /** Where time was left out, and how much. */
  breaks: { at: number; ms: number }[];
}

const SHORTEST_BREAK_MS = 10_000;
/** A gap is worth leaving out where it is longer than this share of all the work, and is then drawn this long. */
const LONG_SHARE = 0.5;
const DRAWN_SHARE = 0.08;

export function scaleOf({ from, to, sections }: Waterfall): Scale {
  const busy = sections
    .flatMap(({ spans }) => spans.filter(({ kind }) => kind === "working"))
    .toSorted((a, b) => a.from - b.from);
  const gaps: { from: EpochMs; to: EpochMs }[] = [];
  let reached = from;
  let worked = 0;
  for (const span of busy) {
    if (span.from > reached) gaps.push({ from: reached, to: span.from });
    worked += Math.max(0, span.to - Math.max(reached, span.from));
    reached = Math.max(reached, span.to);
  }
  if (to > reached) gaps.push({ from: reached, to });
  const drawnMs = Math.max(1, worked * DRAWN_SHARE);
  const cut = gaps.filter(
    (gap) => worked > 0 && gap.to - gap.from > Math.max(SHORTEST_BREAK_MS, worked * LONG_SHARE),
  );
  const whole = Math.max(1, to - from - cut.reduce((sum, gap) => sum + (gap.to - gap.from - drawnMs), 0));
  const drawn = (time: EpochMs) => {
    let ms = Math.min(Math.max(time, from), to) - from;
    for (const gap of cut) {
      const length = gap.to - gap.from;
      const inside = Math.min(Math.max(time - gap.from, 0), length);
      ms -= inside - (inside / length) * drawnMs;
    }
    return (100 * ms) / whole;
  };
  return {
    at: drawn,
    breaks: cut.map((gap) => ({ at: (drawn(gap.from) + drawn(gap.to)) / 2, ms: gap.to - gap.from })),
  };
}
