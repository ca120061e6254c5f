/** Which reports an address of the list asks for: the filters, what was typed, and where the list goes on. */
import { z } from "zod";
import { FAILURE_KINDS } from "../domain/failure.ts";
import type { ReportId } from "../domain/ids.ts";
import { REPORT_STATUSES } from "../domain/report.ts";
import type { Place, Sought } from "../store/find-reports.ts";
import { parseSearch } from "./search.ts";

export const reportQuery = z.object({
  q: z.string().max(500).catch("").default(""),
  status: z.enum(REPORT_STATUSES).optional().catch(undefined),
  type: z.string().max(100).optional().catch(undefined),
  kind: z.enum(FAILURE_KINDS).optional().catch(undefined),
  account: z.string().max(100).optional().catch(undefined),
  after: z.string().max(100).optional().catch(undefined),
});
export type ReportQuery = z.output<typeof reportQuery>;

/** A filter that was chosen counts more than the same mark typed. */
export function soughtBy({ q, status, type, kind, account }: ReportQuery): Sought {
  return {
    ...parseSearch(q).sought,
    ...(status === undefined ? {} : { status }),
    ...(type === undefined || type === "" ? {} : { type }),
    ...(kind === undefined ? {} : { kind }),
    ...(account === undefined || account === "" ? {} : { account }),
  };
}

export function placeIn({ after }: ReportQuery): Place | undefined {
  const [, createdAt, id] = /^(\d{1,16}) (rp-[0-9a-z]{25})$/.exec(after ?? "") ?? [];
  return id === undefined ? undefined : { createdAt: Number(createdAt), id: id as ReportId };
}

export function addressBehind(asked: ReportQuery, { createdAt, id }: Place): string {
  return reportsAddress({ ...asked, after: `${createdAt} ${id}` });
}

export function reportsAddress(asked: ReportQuery, path = "/console/reports"): string {
  const fields = Object.entries(asked).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(fields as [string, string][]).toString();
  return `${path}${search === "" ? "" : `?${search}`}`;
}
