/**
 * Whether Redis says what the twin knows: every balance, hold, status, fence, request and case, read in one round trip.
 *
 * Both sides are written down as lines of text, so that a disagreement is two lines beside each other.
 */
import type { Store } from "../../src/store/redis.ts";
import { readAnswer } from "../../src/store/takes.ts";
import { textOf } from "./call-operations.ts";
import { spentToday } from "./twin-money.ts";
import { count } from "./twin-sections.ts";
import { accountOf, ACCOUNTS, spentBy, TYPE, type Report, type Twin } from "./twin.ts";

/** One thing to read, and what the twin expects to be read. */
interface Line {
  what: string;
  command: [name: string, ...args: string[]];
  expected: string;
  shows?: (reply: unknown) => string;
}

export async function disagreements(twin: Twin, store: Store): Promise<string[]> {
  const lines = linesOf(twin, store);
  const replies = (await store.redis.pipeline(lines.map(({ command }) => command)).exec()) ?? [];
  return lines.flatMap(({ what, expected, shows = shown }, nth) => {
    const [error, reply] = replies[nth] ?? [null, null];
    if (error) throw error;
    const is = shows(reply);
    return is === expected
      ? []
      : [`${what}: Redis has ${is || "nothing"}, the twin ${expected || "nothing"}`];
  });
}

/** At the end of a sequence: the ledgers row by row, and every answer that counts is the one that came first. */
export async function lastDisagreements(twin: Twin, store: Store): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, { rows }] of Object.entries(twin.accounts)) {
    const kept = await store.redis.xrange(store.keys.ledger(name), "-", "+");
    const lines = kept.map(([, [, verb, , credits, , reference]]) => `${verb} ${credits} ${reference}`);
    if (lines.join() !== rows.join())
      problems.push(`ledger of ${name}: Redis has ${lines.join()}, the twin ${rows.join()}`);
  }
  for (const { id, answers } of twin.reports)
    for (const [take, ask] of answers) {
      const [callKey = "", n] = take.split("#");
      const answer = await readAnswer(store, id, callKey, Number(n));
      if (answer?.text !== textOf(ask))
        problems.push(`${take}: Redis has ${answer?.text}, the twin ${textOf(ask)}`);
    }
  return problems;
}

function linesOf(twin: Twin, { keys }: Store): Line[] {
  const lines: Line[] = [];
  const fields = (what: string, key: string, values: Record<string, string | number>) => {
    const names = Object.keys(values);
    const expected = names.map((name) => `${name} ${values[name]}`).join(", ");
    const shows = (reply: unknown) =>
      names
        .map((name, nth) => `${name} ${(reply as (string | null)[])[nth] ?? absentAs(name, values[name])}`)
        .join(", ");
    lines.push({ what, command: ["hmget", key, ...names], expected, shows });
  };
  const members = (what: string, key: string, expected: string[]) =>
    lines.push({
      what,
      command: ["zrange", key, "0", "-1"],
      expected: expected.toSorted().join(" "),
      shows: sorted,
    });

  for (const name of ACCOUNTS) {
    const { available, held, committed, deposits, rows } = accountOf(twin, name);
    fields(name, keys.account(name), { available, held, committed, deposits, entries: rows.length });
    const ofAccount = twin.reports.filter(({ account }) => account === name);
    const where = (is: (report: Report) => boolean) => ofAccount.filter(is).map(({ id }) => id);
    members(
      `waiting of ${name}`,
      keys.waiting(name),
      where(({ waiting }) => waiting),
    );
    members(
      `running of ${name}`,
      keys.running(name),
      where(({ running }) => running),
    );
    members(
      `capped of ${name}`,
      keys.capped(name),
      where(({ capped }) => capped),
    );
  }
  fields("all accounts", keys.creditTotals, totalsOf(twin));
  for (const [id, { status, credits, committed }] of twin.holds)
    fields(id, keys.hold(id), { status, credits, ...(status === "reserved" ? {} : { committed }) });
  const reserved = [...twin.holds].flatMap(([id, { status }]) => (status === "reserved" ? [id] : []));
  members("open holds", keys.openHolds, reserved);

  for (const report of twin.reports) linesOfReport(report);
  const ids = (is: (report: Report) => boolean) => twin.reports.filter(is).map(({ id }) => id);
  members(
    "wake-ups",
    keys.wakeups,
    ids(({ wake }) => wake),
  );
  members(
    "outbox",
    keys.outbox,
    ids(({ outbox }) => outbox),
  );
  members(
    "review deadlines",
    keys.reviewDeadlines,
    ids(({ deadline }) => deadline),
  );
  linesOfCases();
  linesOfBreaker();
  fields("spent today", keys.spentToday, { total: spentToday(twin) });
  return lines;

  function linesOfReport(report: Report): void {
    const { id } = report;
    const spent = spentBy(report);
    const sums = ["in_flight", "pending", "useful", "repaired", "wasted", "unknown"];
    fields(id, keys.report(id), {
      status: report.status,
      run: report.run,
      round: report.round,
      decisions: report.decisions,
      holdId: `${id}.h${report.hold}`,
      hold: holdWordOf(twin, report),
      committed: report.committed,
      refunded: report.refunded,
      delivery: report.delivery ?? "",
      sourceHash: report.source,
      running: count(report, "running"),
      waiting: count(report, "waiting_for_retry"),
      ...Object.fromEntries(sums.map((sum) => [`spend.${sum}`, spent[sum] ?? 0])),
    });
    lines.push({
      what: `halt of ${id}`,
      command: ["hexists", keys.report(id), "halted"],
      expected: report.halted ? "1" : "0",
    });
    for (const [key, section] of report.sections) {
      const { transient, repair, crash } = section.attempts;
      const { status, fence, claim, process, output } = section;
      const done = status === "completed" ? { outputHash: output ?? "" } : {};
      fields(`${id}/${key}`, keys.section(id, key), {
        status,
        fence,
        claim,
        process,
        transient,
        repair,
        crash,
        ...done,
      });
    }
    if (report.takes.size > 0)
      fields(
        `calls of ${id}`,
        keys.calls(id),
        Object.fromEntries([
          ...[...report.takes].map(([key, { n, state, micros }]) => [key, `${n}:${state}:${micros}`]),
          ...[...report.marks].map(([key, take]) => [`${key}!`, take]),
          ...[...report.answers].map(([take, ask]) => [`${take}!`, ask]),
        ]),
      );
    lines.push({
      what: `requests of ${id}`,
      command: ["hgetall", keys.asks(id)],
      expected: [...report.asks.values()]
        .map(({ id: ask, state, book }) => `${ask} ${state} ${book.outcome}|${book.micros}|${book.kind}`)
        .toSorted()
        .join(", "),
      shows: asksShown,
    });
    members(
      `cases of ${id}`,
      keys.casesOf(id),
      report.cases.map(({ id: one }) => one),
    );
    for (const one of report.cases)
      fields(one.id, keys.case(one.id), {
        status: one.open ? "open" : "resolved",
        version: one.version,
        ...(one.open ? {} : { action: one.action }),
        spent: one.spent,
        wasted: one.wasted,
        credits: one.credits,
      });
  }

  function linesOfCases(): void {
    const all = twin.reports.flatMap(({ cases }) => cases);
    const open = all.filter((one) => one.open);
    members(
      "open cases",
      keys.cases,
      open.map(({ id }) => id),
    );
    for (const group of new Set(all.map((one) => one.group))) {
      const of = open.filter((one) => one.group === group);
      const sum = (amount: (one: (typeof of)[number]) => number) =>
        of.reduce((total, one) => total + amount(one), 0);
      members(
        `cases of ${group}`,
        keys.groupCases(group),
        of.map(({ id }) => id),
      );
      fields(group, keys.group(group), {
        spent: sum(({ spent }) => spent),
        wasted: sum(({ wasted }) => wasted),
        credits: sum(({ credits }) => credits),
        seen: all.filter((one) => one.group === group).length,
      });
    }
  }

  function linesOfBreaker(): void {
    const { breaker } = twin;
    const key = keys.breaker(TYPE);
    fields("breaker", key, {
      state: breaker.state,
      version: breaker.version,
      delivered: breaker.state === "half_open" ? breaker.delivered : 0,
      ...(breaker.state === "open" ? { cause: breaker.opening.cause } : {}),
    });
    lines.push({
      what: "votes",
      command: ["hkeys", `${key}:votes`],
      expected: (breaker.state === "closed" ? breaker.votes : [])
        .map(({ voter }) => voter)
        .toSorted()
        .join(" "),
      shows: sorted,
    });
    const probes = breaker.state === "half_open" ? breaker.probes : [];
    members(
      "probes",
      `${key}:probes`,
      probes.map(({ report }) => report),
    );
    members("postponed", `${key}:waiting`, [...twin.postponed]);
  }
}

function totalsOf(twin: Twin): Record<string, number> {
  const totals = { available: 0, held: 0, committed: 0, deposits: 0 };
  for (const account of Object.values(twin.accounts))
    for (const part of ["available", "held", "committed", "deposits"] as const) totals[part] += account[part];
  return totals;
}

/** What the report says of its newest hold; a partial delivery that was not completed after all stays committed. */
function holdWordOf(twin: Twin, report: Report): string {
  const word = twin.holds.get(`${report.id}.h${report.hold}`)?.status ?? "";
  return word === "reversed" && report.delivery !== null ? "committed" : word;
}

/** What is read where there is no field: a breaker that never turned is closed, a section that nobody moved is pending. */
function absentAs(name: string, expected: string | number | undefined): string {
  return { state: "closed", status: "pending" }[name] ?? (typeof expected === "number" ? "0" : "");
}

function shown(reply: unknown): string {
  return String(reply);
}

function sorted(reply: unknown): string {
  return (reply as string[]).toSorted().join(" ");
}

/** Replies of a pipeline are plain lists or objects, as the client shapes them. */
function asksShown(reply: unknown): string {
  const rows = reply as Record<string, string>;
  return Object.keys(rows)
    .filter((name) => !name.includes("."))
    .map((ask) => {
      const [state] = (rows[ask] ?? "").split("|");
      const [outcome, micros, kind] = (rows[`${ask}.books`] ?? "").split("|");
      return `${ask} ${state} ${outcome}|${micros}|${kind}`;
    })
    .toSorted()
    .join(", ");
}
