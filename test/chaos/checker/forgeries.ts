/**
 * The judge judged on the evidence of a run that was green: one fact of it is forged, as a bug would have left it, and the
 * invariant that speaks of it must be named. A forgery answers false where the run has nothing of its kind.
 */
import type { Evidence, ReportEvidence } from "../evidence.ts";
import type { ProviderRow } from "../witnesses.ts";
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
    name: "an acknowledged order is gone",
    breaks: 6,
    forge: (evidence) => withDelivered((one) => void evidence.reports.delete(one.stored.report.id))(evidence),
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
    forge: withRequest(
      (row, { provider }) => void provider.push({ ...row, n: row.n + 100_000, at: row.at + 600_000 }),
    ),
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
        marker: `stairs/body/close/${cancelled.order}`,
        at: cancelled.at + 900,
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
      provider.push({ ...row, n: row.n + 100_000, marker: "brittle/table/draft/99999", at: opened.at + 600 });
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
    name: "a process ends by itself",
    breaks: 29,
    forge: ({ processes }) =>
      processes.push({ at: 0, process: "w1.1", happened: "ended", code: 1, signal: null, expected: false }) >
      0,
  },
];

function delivered(evidence: Evidence): ReportEvidence[] {
  return [...withoutForgotten(evidence).reports.values()].filter(
    ({ stored }) => stored.report.status === "completed" && stored.report.type === "pair",
  );
}

function withDelivered(forge: (one: ReportEvidence) => void): Forgery["forge"] {
  return (evidence) => {
    const [one] = delivered(evidence);
    if (one !== undefined) forge(one);
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
