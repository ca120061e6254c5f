/**
 * What of a report is the seller's business: routes, which name our provider's host and the hash of our key; who of our
 * people decided or wrote something, and why. A key of an account is shown none of it.
 */
import type { ApiKey } from "../domain/api-key.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { editsOf, reportView } from "../producer/report-view.ts";
import type { ReceiptLine } from "../store/receipt.ts";

type Caller = Pick<ApiKey, "account">;
type View = ReturnType<typeof reportView>;

export function viewFor({ account }: Caller, view: View) {
  if (account === null) return view;
  const sections = view.sections.map(({ edited, ...section }) => ({
    ...section,
    edited: edited === null ? null : {},
  }));
  return { ...view, sections };
}

export function editFor({ account }: Caller, edit: ReturnType<typeof editsOf>[number]) {
  return account === null ? edit : { section: edit.section };
}

export function callFor({ account }: Caller, { route, ...call }: ReceiptLine) {
  return account === null ? { ...call, route } : call;
}

/** The fields of an event. A section's reason is a person's own words where one has decided about it. */
export function fieldsFor({ account }: Caller, { event, ...fields }: FleetEvent): Record<string, unknown> {
  if (account === null) return fields;
  const hidden = event === "section.status" ? ["because"] : ["route", "by"];
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !hidden.includes(name)));
}
