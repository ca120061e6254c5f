/**
 * A fault script: which requests go wrong, and how. Rules are read in order, and the first that fires decides.
 *
 *     [{ "match": { "contains": "licences", "first": 2 }, "fault": { "kind": "rate_limit", "retryAfter": "seconds" } },
 *      { "match": { "every": 10 }, "fault": { "kind": "cut_mid_body" }, "times": 3 }]
 */
import { z } from "zod";
import { FleetError } from "../../domain/fleet-error.ts";

const count = z.int().positive();

/** Every form in which a provider was seen to say, or not to say, when to come back. */
export const RETRY_AFTER_FORMS = [
  "seconds",
  "http_date",
  "ms_header",
  "absent",
  "absurd",
  "negative",
  "in_message",
  "retry_info",
] as const;

const plain = (
  kind: "hang" | "hang_mid_body" | "reset" | "cut_mid_body" | PlainContentFault | PlainRefusal,
) => z.strictObject({ kind: z.literal(kind) });
type PlainContentFault =
  | "malformed"
  | "wrong_schema"
  | "truncated"
  | "refusal"
  | "empty"
  | "content_filter"
  | "usage_missing"
  | "usage_negative";
type PlainRefusal =
  | "quota"
  | "context_length"
  | "html"
  | "error_in_200"
  | "unauthorized"
  | "model_not_found"
  | "no_json_schema_support";

const anyFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(300).max(599),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.unknown().optional(),
  }),
  z.strictObject({
    kind: z.literal("rate_limit"),
    retryAfter: z.enum(RETRY_AFTER_FORMS).default("seconds"),
    seconds: z.number().positive().default(1),
  }),
  z.strictObject({
    kind: z.literal("server_error"),
    status: z.union([z.literal(500), z.literal(502), z.literal(503), z.literal(529)]).default(500),
  }),
  /** The body arrives in `chunks` pieces, one every `everyMs`. */
  z.strictObject({
    kind: z.literal("slow_drip"),
    everyMs: z.int().positive().default(100),
    chunks: count.default(50),
  }),
  z.strictObject({
    kind: z.literal("huge"),
    megabytes: z.number().positive().max(256).default(20),
    gzip: z.boolean().default(false),
  }),
  /** No response header ever. */
  plain("hang"),
  /** Half the answer, and then silence on an open connection. */
  plain("hang_mid_body"),
  /** The connection is torn down before a response header. */
  plain("reset"),
  /** Half the answer, and then the connection is torn down. */
  plain("cut_mid_body"),
  /** A text that almost is the JSON that was asked for. */
  plain("malformed"),
  /** Valid JSON of another shape. */
  plain("wrong_schema"),
  plain("truncated"),
  plain("refusal"),
  plain("empty"),
  plain("content_filter"),
  plain("usage_missing"),
  plain("usage_negative"),
  plain("quota"),
  plain("context_length"),
  plain("html"),
  plain("error_in_200"),
  plain("unauthorized"),
  plain("model_not_found"),
  /** Refuses only requests with `response_format: json_schema`; others are answered. */
  plain("no_json_schema_support"),
]);

const faultRule = z.strictObject({
  match: z
    .strictObject({
      /** Part of any message; without it every request matches. The counts below count matching requests from 1. */
      contains: z.string().min(1).optional(),
      nth: count.optional(),
      first: count.optional(),
      every: count.optional(),
      after: z.int().min(0).optional(),
    })
    .optional(),
  fault: anyFault,
  /** How often the rule fires before it is used up; default always. */
  times: count.optional(),
});

export type FaultRule = z.input<typeof faultRule>;
type CheckedRule = z.output<typeof faultRule>;
export type Fault = CheckedRule["fault"];

export function parseFaultScript(json: unknown): CheckedRule[] {
  const parsed = z.array(faultRule).max(1_000).safeParse(json);
  if (parsed.success) return parsed.data;
  throw new FleetError("usage", `The fault script is not valid:\n${z.prettifyError(parsed.error)}`, {
    fields: parsed.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })),
  });
}

export interface AskedOfSimulator {
  prompt: string;
  /** The type of `response_format`, where one was given. */
  format: string | null;
}

interface CountedRule {
  rule: CheckedRule;
  matched: number;
  fired: number;
}

/** Counts requests per rule and says which fault, if any, the next one meets. */
export class FaultScript {
  #rules: CountedRule[] = [];

  constructor(rules: readonly FaultRule[]) {
    this.replace(rules);
  }

  /** A new script starts counting anew. */
  replace(rules: readonly FaultRule[]): void {
    this.#rules = parseFaultScript(rules).map((rule) => ({ rule, matched: 0, fired: 0 }));
  }

  next(asked: AskedOfSimulator): Fault | null {
    let chosen: CountedRule | null = null;
    // Every rule counts every request, also where an earlier rule fires: `nth` means what its author counted.
    for (const entry of this.#rules) {
      const { match, fault, times } = entry.rule;
      if (match?.contains !== undefined && !asked.prompt.includes(match.contains)) continue;
      if (fault.kind === "no_json_schema_support" && asked.format !== "json_schema") continue;
      entry.matched += 1;
      const due =
        (match?.nth === undefined || entry.matched === match.nth) &&
        (match?.first === undefined || entry.matched <= match.first) &&
        (match?.every === undefined || entry.matched % match.every === 0) &&
        (match?.after === undefined || entry.matched > match.after);
      if (due && (times === undefined || entry.fired < times)) chosen ??= entry;
    }
    if (chosen === null) return null;
    chosen.fired += 1;
    return chosen.rule.fault;
  }
}
