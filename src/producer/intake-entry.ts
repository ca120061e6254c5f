/**
 * One entry of the intake stream: flat fields of text, as any Redis client writes them. The schema is the contract;
 * docs/intake.schema.json is made from it, and a test compares the two.
 */
import { z } from "zod";
import { PRIORITIES } from "../domain/fairness.ts";
import { ACCOUNT, ACCOUNT_RULE, isAccount, NAME, NAME_RULE } from "../domain/ids.ts";
import { fieldProblems } from "../report-types/field-problems.ts";
import type { IntakeRejection } from "../store/intake.ts";
import { LONGEST_IDEMPOTENCY_KEY, type ReportRequest } from "./submit-report.ts";

export const IntakeFields = z
  .strictObject({
    v: z.literal("1").describe("Version of this contract."),
    account: z.string().regex(ACCOUNT, `expected ${ACCOUNT_RULE}`).describe("Whose credits pay for it."),
    type: z.string().regex(NAME, `expected ${NAME_RULE}`).describe("The report type."),
    key: z
      .string()
      .min(1)
      .max(LONGEST_IDEMPOTENCY_KEY)
      .describe(
        "Your name for this order: the same key with the same source is the same report, and paid once.",
      ),
    source: z.string().describe("The data the report is written from, as JSON."),
    priority: z.enum(PRIORITIES).optional().describe("Before or behind the account's other reports."),
    deliverBy: z.iso
      .datetime({ offset: true })
      .optional()
      .describe("Wanted by then; you are told when it will be later."),
    tags: z
      .string()
      .optional()
      .describe("A JSON object of texts, returned with the report; 20 tags, 2,000 characters."),
    callback: z
      .string()
      .max(2_048)
      .optional()
      .describe("An https URL that is told how this report ends; see docs/webhooks.md."),
    again: z
      .literal("true")
      .optional()
      .describe("Order anew though an equal order of the account is still open."),
  })
  .meta({ title: "One entry of the intake stream: every field is text" });

const Tags = z.record(z.string(), z.string());

export type EntryRead =
  | { ok: true; request: ReportRequest & { idempotencyKey: string } }
  | { ok: false; rejection: IntakeRejection };

export function readIntakeEntry(fields: Readonly<Record<string, string>>): EntryRead {
  const parsed = IntakeFields.safeParse(fields);
  if (!parsed.success) {
    const problems = fieldProblems(parsed.error, fields);
    const list = problems.map(({ path, message }) => `${path} ${message}`).join("; ");
    return rejected(fields, `The entry cannot be read: ${list}.`, problems);
  }
  const { account, type, key, priority, deliverBy, callback, again } = parsed.data;
  const source = jsonOf(parsed.data.source);
  if (!source.ok) return unreadable(fields, "source", source.because);
  const tags = jsonOf(parsed.data.tags ?? "{}");
  if (!tags.ok) return unreadable(fields, "tags", tags.because);
  const words = Tags.safeParse(tags.value);
  if (!words.success) return unreadable(fields, "tags", "is no JSON object of texts");
  return {
    ok: true,
    request: {
      account,
      type,
      idempotencyKey: key,
      source: source.value,
      priority,
      deliverBy: deliverBy === undefined ? undefined : Date.parse(deliverBy),
      tags: words.data,
      callback,
      again: again === "true",
    },
  };
}

/** What is wrong with an order, for whoever sent it. */
export function rejectionOf(
  fields: Readonly<Record<string, string>>,
  why: Pick<IntakeRejection, "code" | "reason" | "fields">,
): IntakeRejection {
  const { account = "", type = "", key = "" } = fields;
  return {
    account: shortened(account),
    type: shortened(type),
    key: shortened(key),
    answerable: isAccount(account) && key.length > 0 && key.length <= LONGEST_IDEMPOTENCY_KEY,
    ...why,
  };
}

function rejected(
  fields: Readonly<Record<string, string>>,
  reason: string,
  problems: IntakeRejection["fields"],
): EntryRead {
  return { ok: false, rejection: rejectionOf(fields, { code: "invalid_entry", reason, fields: problems }) };
}

function unreadable(fields: Readonly<Record<string, string>>, path: string, message: string): EntryRead {
  return rejected(fields, `The entry cannot be read: ${path} ${message}.`, [{ path, message }]);
}

function jsonOf(text: string): { ok: true; value: unknown } | { ok: false; because: string } {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    // The parser's own sentence quotes the text, which is not ours to repeat.
    return { ok: false, because: "is no JSON" };
  }
}

function shortened(text: string): string {
  return text.slice(0, LONGEST_IDEMPOTENCY_KEY);
}
