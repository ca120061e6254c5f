/**
 * What a person types to find reports: words, and marks of the form `name:value`. A value with spaces stands in quotes.
 *
 *     status:failed type:topic-report account:acme kind:contract tag.order:17 cost:>1.50 "missing field"
 */
import { FAILURE_KINDS } from "../domain/failure.ts";
import { REPORT_STATUSES } from "../domain/report.ts";
import type { Sought } from "../store/find-reports.ts";

export interface Search {
  sought: Sought;
  /** Marks that mean nothing, with the reason; the rest is searched all the same. */
  misread: string[];
}

const WORD = /(?:([a-z]+(?:\.[^\s:"]+)?):)?(?:"([^"]*)"|(\S+))/g;

export const QUALIFIERS = "status: type: account: kind: tag.<name>: cost:>";

export function parseSearch(text: string): Search {
  const sought: Sought = {};
  const misread: string[] = [];
  const words: string[] = [];
  for (const [whole, name, quoted, bare] of text.matchAll(WORD)) {
    const value = quoted ?? bare ?? "";
    if (name === undefined) words.push(value);
    else if (!qualify(sought, name, value)) misread.push(whole);
  }
  if (words.length > 0) sought.text = words.join(" ");
  return { sought, misread };
}

function qualify(sought: Sought, name: string, value: string): boolean {
  if (name.startsWith("tag.")) {
    sought.tag = { name: name.slice("tag.".length), value };
    return true;
  }
  switch (name) {
    case "status": {
      const status = REPORT_STATUSES.find((one) => one === value);
      if (status !== undefined) sought.status = status;
      return status !== undefined;
    }
    case "kind": {
      const kind = FAILURE_KINDS.find((one) => one === value);
      if (kind !== undefined) sought.kind = kind;
      return kind !== undefined;
    }
    case "type":
      sought.type = value;
      return true;
    case "account":
      sought.account = value;
      return true;
    case "cost": {
      const dollars = /^>(\d{1,6}(?:\.\d{1,6})?)$/.exec(value)?.[1];
      // Just below, so that ">0" finds whatever has cost anything.
      if (dollars !== undefined) sought.overMicros = Math.max(1, Math.round(Number(dollars) * 1_000_000));
      return dollars !== undefined;
    }
    default:
      return false;
  }
}
