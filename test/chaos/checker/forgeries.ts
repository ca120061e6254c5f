/**
 * The judge judged on the evidence of a run that was green: one fact of it is forged, as a bug would have left it, and the
 * invariant that speaks of it must be named. A forgery answers false where the run has nothing of its kind.
 */
import type { Evidence, ReportEvidence } from "../evidence.ts";
import type { ProviderRow } from "../witnesses.ts";
import { questionOf } from "./calls.ts";
import { withoutForgotten } from "./forgotten.ts";

export interface Forgery {
  name: string;
  /** Must be among the invariants that are broken by it. */
  breaks: number;
  forge: (evidence: Evidence) => boolean;
}

export const FORGERIES: readonly Forgery[] = [
  {
    name: "an order is held for twice",
    breaks: 3,
    forge: ({ accounts }) => {
      const account = accounts.get("alpha");
      const row = account?.rows.find(({ verb }) => verb === "reserve");
      if (account === undefined || row === undefined) return false;
      account.rows.push({ ...row, id: account.rows.length + 1 });
      account.balance.available -= row.credits;
      account.balance.held += row.credits;
      return true;
    },
  },
  {
    name: "a fraction of a credit is charged",
    breaks: 1,
    forge: ({ accounts }) => {
      const balance = accounts.get("alpha")?.balance;
      if (balance === undefined) return false;
      balance.available -= 0.3;
      balance.committed += 0.3;
      return true;
    },
  },
  {
    name: "a row of the ledger is missing",
    breaks: 2,
    forge: ({ accounts }) => accounts.get("alpha")?.rows.splice(1, 1).length === 1,
  },
  {
    name: "a delivered document is gone",
    breaks: 4,
    forge: withDelivered((one) => void (one.artefact = { ok: false, because: "" })),
  },
  {
    name: "what was delivered is said to be written still",
    breaks: 12,
    forge: withDelivered((one) => void (one.stored.report.status = "running")),
  },
  {
    name: "an order is made twice",
    breaks: 5,
    forge: withDelivered((one, { reports }) => void reports.set("rp-twin", one)),
  },
  {
    name: "an acknowledged order is gone",
    breaks: 6,
    forge: withDelivered((one, { reports }) => void reports.delete(one.stored.report.id)),
  },
  {
    name: "a report had nothing that would wake it",
    breaks: 12,
    forge: ({ samples: [first] }) => first !== undefined && (first.wakers = []).length === 0,
  },
  {
    name: "what was completed is written again",
    breaks: 13,
    forge: withDelivered(({ events }) => {
      const last = events.findLast(({ event }) => event.event === "section.status");
      if (last?.event.event === "section.status")
        events.push({ ...last, event: { ...last.event, status: "running" } });
    }),
  },
  {
    name: "a second answer is taken for the first",
    breaks: 7,
    forge: withDelivered(({ events }) => {
      events.push(...events.filter(({ event }) => event.event === "call.answered"));
    }),
  },
  {
    name: "two processes write under one claim",
    breaks: 11,
    forge: withRequest((row, { provider }) => {
      const at = row.at + 600_000;
      provider.push({ ...row, at, askedBy: "w8.1" }, { ...row, at, askedBy: "w8.2" });
    }),
  },
  {
    name: "a crash loop goes on",
    breaks: 14,
    forge: (evidence) => {
      const poisoned = withoutForgotten(evidence).faults.find(({ fault, hit }) => fault === "F16" && hit);
      if (poisoned !== undefined) poisoned.facts["crashes"] = 9;
      return poisoned !== undefined;
    },
  },
  {
    name: "somebody does not wait as told",
    breaks: 16,
    forge: (evidence) => {
      const told = evidence.provider.filter(
        ({ marker, outcome }) => outcome === "rate_limit" && (marker ?? "") in evidence.plan.told,
      );
      for (const row of told)
        askAgain(evidence, row, row.bookedAt + (evidence.plan.told[row.marker ?? ""] ?? 0) - 100);
      return told.length > 0;
    },
  },
  {
    name: "a report costs more than its budget",
    breaks: 18,
    forge: withDelivered(({ stored }) => void (stored.report.budgetMicros = 1)),
  },
  {
    name: "somebody pays again without a fault",
    breaks: 9,
    forge: withRequest((row, { provider }) => {
      provider.push({
        ...row,
        n: row.n + 100_000,
        at: row.at + 20,
        bookedAt: row.bookedAt + 20,
        askedBy: "w8.1",
      });
      row.askedBy = "w8.2";
    }),
  },
  {
    name: "a request is not on the books",
    breaks: 8,
    forge: withRequest(
      (row, { provider }) => void provider.push({ ...row, n: row.n + 100_000, billed: false, micros: 0 }),
    ),
  },
  {
    name: "a finished question is asked again",
    breaks: 10,
    forge: withRequest((row, evidence) => askAgain(evidence, row, row.at + 600_000)),
  },
  {
    name: "a cancelled order is asked for",
    breaks: 17,
    forge: (evidence) => {
      const cancelled = withoutForgotten(evidence).client.find(
        (row) => row.what === "cancelled" && row.status === "cancelled",
      );
      const [row] = evidence.provider;
      if (cancelled?.what !== "cancelled" || row === undefined) return false;
      evidence.provider.push({
        ...row,
        n: row.n + 100_000,
        marker: `stairs/body/again/${cancelled.order}`,
        at: cancelled.at + 1,
      });
      return true;
    },
  },
  {
    name: "a stopped type is asked",
    breaks: 15,
    forge: ({ breakers, provider }) => {
      const opened = breakers["brittle"]?.find(({ to }) => to === "open");
      const [row] = provider;
      if (opened === undefined || row === undefined) return false;
      provider.push({ ...row, n: row.n + 100_000, marker: "brittle/table/draft/99999", at: opened.at + 1 });
      return true;
    },
  },
  {
    name: "a type on trial is written for everybody",
    breaks: 15,
    forge: ({ breakers }) => {
      const opened = breakers["brittle"]?.find(({ to }) => to === "open");
      if (opened === undefined) return false;
      breakers["brittle"] = [{ ...opened, at: 0, to: "half_open", cause: "person", votes: [] }];
      return true;
    },
  },
  {
    name: "an altered answer is served",
    breaks: 20,
    forge: (evidence) => {
      const altered = withoutForgotten(evidence).faults.find(({ fault, hit }) => fault === "F15" && hit);
      const found = evidence.reports.get(String(altered?.facts["report"]));
      const [section = ""] = String(altered?.facts["field"]).split("/");
      if (found === undefined) return false;
      const { id, type } = found.stored.report;
      found.events = found.events.filter(
        ({ event }) => event.event !== "section.status" || event.failure === undefined,
      );
      found.events.push({
        id: "9-9",
        at: 0,
        event: { event: "section.status", report: id, section, type, status: "completed" },
      });
      return true;
    },
  },
  {
    name: "an account reads another one's text",
    breaks: 21,
    forge: ({ client }) =>
      client.push({ at: 0, what: "leak", caller: "alpha", path: "/v1/reports", found: ["beta"] }) > 0,
  },
  {
    name: "a customer's text lies in a job",
    breaks: 22,
    forge: ({ keys }) =>
      keys.push({ key: "{chaos}:sections.pair:a-job", accounts: ["alpha"], secrets: [] }) > 0,
  },
  {
    name: "a job is left that nobody works on",
    breaks: 19,
    forge: ({ activeJobs }) => activeJobs.push("{chaos}:sections.pair:active a-job") > 0,
  },
  {
    name: "an account is never told of an ending",
    breaks: 28,
    forge: withDelivered(({ stored: { report } }, evidence) => {
      evidence.webhooks = evidence.webhooks.filter(({ data }) => data["report"] !== report.id);
      evidence.messagesDue = [];
    }),
  },
  {
    name: "a list goes on naming what is over",
    breaks: 25,
    forge: withDelivered(({ stored: { report } }, { kept }) => {
      kept.push({ key: "{chaos}:waiting:alpha", reports: [report.id], expires: false });
    }),
  },
  {
    name: "a process keeps what it has worked on",
    breaks: 25,
    forge: ({ memory }) => memory.push({ at: 0, of: "w1.1", bytes: 2 ** 30, reports: 100 }) > 0,
  },
  {
    name: "a decision is not in the audit",
    breaks: 23,
    forge: (evidence) => {
      evidence.audit = [];
      return withoutForgotten(evidence).client.some(({ what }) => what === "decided");
    },
  },
  {
    name: "an old process writes for a newer report",
    breaks: 24,
    forge: withDelivered((one) => void (one.versions["first"] = 0)),
  },
  {
    name: "a document has its sections in another order",
    breaks: 26,
    forge: withDelivered(({ artefact }) => {
      if (artefact.ok)
        artefact.artefact.markdown = artefact.artefact.markdown.split("\n\n").toReversed().join("\n\n");
    }),
  },
  {
    name: "a reader is not told of the money",
    breaks: 27,
    forge: withDelivered(({ stored: { report } }, { client }) => {
      const [status, sentence, held] = ["completed", "Your report is ready.", "committed"];
      client.push({ at: 0, what: "saw", report: report.id, status, sentence, credits: 4, held });
    }),
  },
  {
    name: "a process ends by itself",
    breaks: 29,
    forge: ({ processes }) =>
      processes.push({ at: 0, process: "w1.1", happened: "ended", code: 1, signal: null, expected: false }) >
      0,
  },
];

/** Delivered whole: a report that was delivered without one of its sections has nothing of that one to forge. */
function delivered(evidence: Evidence): ReportEvidence[] {
  return [...withoutForgotten(evidence).reports.values()].filter(
    ({ stored: { report }, sections }) =>
      report.status === "completed" &&
      report.type === "pair" &&
      sections.every(({ status }) => status === "completed"),
  );
}

function withDelivered(forge: (one: ReportEvidence, evidence: Evidence) => void): Forgery["forge"] {
  return (evidence) => {
    const [one] = delivered(evidence);
    if (one !== undefined) forge(one, evidence);
    return one !== undefined;
  };
}

/** A request for a question of a delivered report, answered well. */
function withRequest(forge: (row: ProviderRow, evidence: Evidence) => void): Forgery["forge"] {
  return (evidence) => {
    const marks = new Set(delivered(evidence).map(({ order }) => `pair/first/draft/${order}`));
    const row = evidence.provider.findLast(
      ({ marker, outcome }) => outcome === "answered" && marks.has(marker ?? ""),
    );
    if (row !== undefined) forge(row, evidence);
    return row !== undefined;
  };
}

/** The same question once more, on the books and at the provider. */
function askAgain({ provider, reports }: Evidence, row: ProviderRow, at: number): void {
  const question = questionOf(row);
  const found = [...reports.values()].find(({ order }) => order === question?.order);
  const line = found?.receipt.calls.find(
    ({ section, call }) => section === question?.section && call === question.call,
  );
  if (line !== undefined) found?.receipt.calls.push({ ...line, askedAt: at });
  provider.push({ ...row, n: row.n + 100_000, outcome: "answered", at });
}
