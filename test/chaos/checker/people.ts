/** What people are told, and what they decide: invariant 23, promise 10, and two of our own. */
import { isFinished } from "../../../src/domain/report.ts";
import type { Evidence } from "../evidence.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

/** 23. Every decision that was answered is in the audit, with who and why. */
export function decisionsAreAudited({ client, audit, breakers }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const row of client) {
    if (row.what === "decided")
      inquiry.must(
        audit.some((one) => one.report === row.report && one.why === row.why && one.by.includes(row.by)),
        row.case,
        `${row.action} ("${row.why}") is not in the audit`,
      );
    if (row.what === "turned")
      inquiry.must(
        (breakers[row.type] ?? []).some(
          (turn) => turn.by?.includes(row.by) === true && turn.reason === row.why,
        ),
        row.type,
        `turned to ${row.to} by ${row.by}, and its history does not know`,
      );
  }
  return inquiry.verdict();
}

/** 27. Whoever reads how a report stands reads what became of the credits in the same sentence, and it is true. */
export function moneyIsSaid({ client }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const row of client) {
    if (row.what !== "saw") continue;
    const words = {
      requested: /held or charged/,
      reserved: /held, not charged/,
      committed: /charged/,
      reversed: /returned/,
    }[row.held];
    inquiry.must(words?.test(row.sentence) === true, row.report, `${row.held}: "${row.sentence}"`);
    inquiry.must(
      row.status !== "failed" || row.held === "reversed",
      row.report,
      `called failed while its credits are ${row.held}`,
    );
  }
  return inquiry.verdict();
}

/** 28. What ended is told outside: signed, under one id however often it is sent. */
export function endingsAreTold({ reports, webhooks, messagesDue }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const told = groupBy(
    webhooks,
    ({ endpoint, type, data }) => `${endpoint}/${type}/${String(data["report"])}`,
  );
  for (const { id, signed } of webhooks) inquiry.must(signed, id, "its signature does not hold");
  for (const [id, { stored }] of reports) {
    const { account, status } = stored.report;
    if (!isFinished(status)) continue;
    const sent = told.get(`${account}/report.${status}/${id}`) ?? [];
    const arrived = sent.some(({ answered }) => answered < 300);
    const isDue = messagesDue.some((body) => body.includes(id) && body.includes(`report.${status}`));
    inquiry.must(arrived || isDue, id, `${status}, and its account was never told`);
    inquiry.must(
      new Set(sent.map((one) => one.id)).size <= 1,
      id,
      `told as ${sent.length} different messages`,
    );
  }
  return inquiry.verdict();
}

/** 29. No process ends by itself: one that meets an unexpected error goes on. */
export function processesLive({ processes, faults }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const { process, happened, expected, signal, code, at } of processes) {
    if (happened !== "ended") continue;
    const poisoned = signal === "SIGKILL" && faults.some(({ fault, from }) => fault === "F16" && at >= from);
    inquiry.must(expected || poisoned, process, `it ended by itself with ${signal ?? String(code)}`);
    inquiry.must(signal !== null || code === 0, process, `told to stop, it ended with ${String(code)}`);
  }
  return inquiry.verdict();
}
