/** Texts: that they are whole, and that nobody reads what is not theirs: invariants 20, 21, 22 and 26. */
import { createHash } from "node:crypto";
import type { Evidence } from "../evidence.ts";
import { accountsIn } from "../witnesses.ts";
import { Inquiry, type Verdict } from "./inquiry.ts";

/** 20. An answer that was altered in the store is never served: a person is told instead. */
export function damageIsNoticed({ faults, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const { facts } of faults.filter((one) => one.fault === "F15" && one.hit)) {
    const id = String(facts["report"]);
    const [section = ""] = String(facts["field"]).split("/");
    const found = reports.get(id);
    const noticed = found?.events.some(
      ({ event }) =>
        event.event === "section.status" &&
        event.section === section &&
        event.failure?.code === "checkpoint_damaged",
    );
    const written = found?.events.some(
      ({ event }) =>
        event.event === "section.status" && event.section === section && event.status === "completed",
    );
    inquiry.must(
      noticed === true || written !== true,
      id,
      `${section} was written from an answer that had been altered`,
    );
  }
  return inquiry.verdict();
}

/** 21. No account sees another one's texts, and no text leaves by webhook. */
export function accountsAreApart({ client, webhooks }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const leaks = client.flatMap((row) => (row.what === "leak" ? [row] : []));
  inquiry.must(
    leaks.length === 0,
    "HTTP",
    leaks.map(({ caller, path, found }) => `${caller} at ${path} saw ${found.join(", ")}`).join("; "),
  );
  for (const { id, endpoint, canaries, data } of webhooks) {
    inquiry.must(canaries.length === 0, id, `a webhook holds texts of ${canaries.join(", ")}`);
    const { account } = data;
    inquiry.must(
      endpoint === "fleet" || account === endpoint || account === undefined,
      id,
      `${endpoint} was told of ${String(account)}`,
    );
  }
  return inquiry.verdict();
}

/** Where a customer's text belongs: in the report's own records, its source and its cases. */
const TEXTS_LIVE_IN =
  /^\{[^}]+\}:(?:report:[^:]+(?::section:.*|:calls|:artefact)?|source:.*|case:.*|cache:.*|http-answer:.*)$/;
/** Signing needs these, so the store has them; docs/webhooks.md says so. */
const SECRETS_LIVE_IN = /^\{[^}]+\}:webhook:/;

/** 22. No secret and no text lies where it does not belong: logs, jobs, events, metrics. */
export function secretsAreKept({ keys, logs, secrets }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const { key, accounts, secrets: found } of keys) {
    inquiry.must(found.length === 0 || SECRETS_LIVE_IN.test(key), key, `${found.length} secrets lie in it`);
    inquiry.must(
      accounts.length === 0 || TEXTS_LIVE_IN.test(key),
      key,
      `texts of ${accounts.join(", ")} lie in it`,
    );
  }
  for (const { process, text } of logs) {
    inquiry.must(!secrets.some((secret) => text.includes(secret)), process, "its log holds a secret");
    inquiry.must(
      accountsIn(text).size === 0,
      process,
      `its log holds texts of ${[...accountsIn(text)].join(", ")}`,
    );
  }
  return inquiry.verdict();
}

/** 26. The document is made of its sections' outputs alone, in the order of the plan, whichever was finished first. */
export function documentsFollowThePlan({ reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [id, { stored, sections, outputs, artefact }] of reports) {
    if (stored.report.status !== "completed" || !artefact.ok) continue;
    for (const section of sections) {
      if (section.status !== "completed") continue;
      const output = outputs[section.key];
      const hash =
        output?.ok === true ? createHash("sha256").update(JSON.stringify(output.output)).digest("hex") : "";
      inquiry.must(hash === section.outputHash, id, `${section.key} is not what it was completed with`);
    }
    const { markdown } = artefact.artefact;
    const written = sections.filter(({ key, status }) => status === "completed" && key !== "plan");
    const expected = written.map(({ key, title }) => {
      const output = outputs[key];
      const value = output?.ok === true ? output.output : null;
      return `## ${title}\n\n${typeof value === "string" ? value : JSON.stringify(value)}`;
    });
    inquiry.must(
      markdown === expected.join("\n\n"),
      id,
      "its document is not its sections in the order of the plan",
    );
  }
  return inquiry.verdict();
}
