/** Loading: nothing was generated and nothing was paid. What the network does passes; what the source is does not. */
import type { FailureCode } from "./failure-codes.ts";
import type { Reading } from "./reading.ts";
import type { Judgement } from "./rule.ts";
import { storeTrouble } from "./store-trouble.ts";
import type { StoreTrouble } from "./store-trouble.ts";

const SOURCE_CODES = {
  away: "source_unavailable",
  busy: "source_unavailable",
  full: "source_unavailable",
  lock_lost: "source_unavailable",
  forbidden: "source_forbidden",
  misplaced: "source_misconfigured",
  missing: "source_missing",
  duplicate: "source_invalid",
  refused_value: "source_invalid",
  our_code: "source_invalid",
} as const satisfies Record<StoreTrouble, FailureCode>;

/** Parsers and validators name themselves: SyntaxError, ZodError, InvalidPDFException. Their messages quote the source. */
const READER_ERROR =
  /SyntaxError|Zod|Ajv|Valid|Pars|Invalid|Corrupt|Format|Decod|Unsupported|Password|Encrypt|Malformed/;
/** Our config names a directory or host; the order names what is in it. */
const PLACE_OF_SOURCE = /^(?:ERR_INVALID_URL|EISDIR|ENOTDIR|ENAMETOOLONG|ELOOP)$/;
const TOO_LARGE =
  /too large|too big|exceeds? (?:the )?(?:maximum|max|limit)|ERR_FS_FILE_TOO_LARGE|ERR_STRING_TOO_LONG|EFBIG|EntityTooLarge/i;

export function judgeSource(reading: Reading): Judgement {
  const words = [...reading.chain.flatMap((link) => [link.code, link.name]), reading.domain?.code ?? ""];
  const messages = [...words, ...reading.layers.map((layer) => layer.message.slice(0, 500))].join("\n");
  if (reading.status === 413 || TOO_LARGE.test(messages))
    return { rule: "source-too-large", code: "source_too_large" };
  if (words.some((word) => PLACE_OF_SOURCE.test(word)))
    return { rule: "source-address", code: "source_invalid" };
  if (reading.chain.some((link) => READER_ERROR.test(link.name) && link.code === ""))
    return { rule: "source-unreadable", code: "source_invalid" };
  const trouble = storeTrouble(reading);
  if (trouble !== null)
    return { rule: `source-${trouble.replaceAll("_", "-")}`, code: SOURCE_CODES[trouble] };
  return { rule: "source-otherwise", code: "source_invalid" };
}
