/** What a client can do, whichever way it reaches the fleet. */
import type { Priority } from "../domain/fairness.ts";
import type { ReportId } from "../domain/ids.ts";
import type { ReportRow } from "../producer/report-view.ts";
import type { TypedReport } from "../report-types/define-report.ts";

/** The source of a report type, from its own definition: `SourceOf<typeof topicReport>`. */
export type SourceOf<Type> = Type extends TypedReport<infer Source> ? Source : unknown;

export interface Order<Source> {
  type: string;
  /** Whose credits pay for it. */
  account: string;
  source: Source;
  /** Your name for this order: the same key with the same source is the same report, and paid once. */
  key: string;
  /** Before or behind the account's other reports. */
  priority?: Priority;
  /** Wanted by then; the report says so when it will be later. */
  deliverBy?: Date;
  /** Your own words, returned with the report. */
  tags?: Readonly<Record<string, string>>;
  /** An https URL that is told how this report ends, as a webhook. */
  callback?: string;
  /** Order anew though an equal order of the account is still open. */
  again?: boolean;
}

/** How far a report is; the fields of a report row in docs/cli.md. */
export type ReportProgress = ReportRow;

export interface ReportResult {
  title: string;
  markdown: string;
  sections: readonly { key: string; title: string; output: unknown; unreviewed: string | null }[];
}

export interface FleetClient {
  /** Safe to repeat under its key. `submit<typeof topicReport>(...)` checks the source against the type. */
  submit<Type = unknown>(order: Order<SourceOf<Type>>): Promise<ReportProgress>;
  status(id: ReportId): Promise<ReportProgress>;
  /** How far it is, again whenever that changes, until it has ended or needs a person. */
  watch(id: ReportId, options?: { signal?: AbortSignal }): AsyncIterable<ReportProgress>;
  /** The document, once it is delivered. */
  result(id: ReportId): Promise<ReportResult>;
  /** Before delivery; the credits go back. */
  cancel(id: ReportId, why: string): Promise<ReportProgress>;
  close(): Promise<void>;
}
