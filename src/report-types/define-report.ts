/**
 * What a team sells, in its own code: `defineReport()` and the pieces it is made of.
 *
 * Everything here is plain data and functions; the boot lint (`lint.ts`) checks it before a report is admitted, and
 * the workers call it. A report type never touches Redis, BullMQ or a provider itself.
 */
import type { z } from "zod";
import type { Message, ModelConfig } from "../domain/call.ts";
import type { BreakerSettings } from "../domain/breaker.ts";
import type { RetryStrategy } from "../domain/failure.ts";
import type { ReportId } from "../domain/ids.ts";

/** What an answer must be. JSON is validated by a zod schema; text must be whole, not wrapped in JSON, and long enough. */
export type OutputContract<T> =
  | { kind: "json"; name: string; schema: z.ZodType<T> }
  | { kind: "text"; minChars: number };

export function json<T>(name: string, schema: z.ZodType<T>): OutputContract<T> {
  return { kind: "json", name, schema };
}

export function text(rules: { minChars?: number } = {}): OutputContract<string> {
  return { kind: "text", minChars: rules.minChars ?? 1 };
}

/** One LLM request inside a section. All of it but `output`, `cache` and `retries` is part of the call key. */
export interface CallRequest<T> {
  /** Raise it whenever the wording changes on purpose; recorded with the call and shown in the receipt. */
  promptVersion: string;
  messages: readonly Message[];
  output: OutputContract<T>;
  model?: Partial<ModelConfig> | undefined;
  /** Reuses accepted answers to the same question across reports; off by default. */
  cache?: { ttlMs: number; scope?: "account" | "type" } | undefined;
}

export interface StepOptions {
  timeoutMs?: number;
  retries?: number;
}

/** What a section is written from; prompts and `write` functions get it. */
export interface SectionInput<Source, Facts> {
  report: { id: ReportId; type: string };
  source: Source;
  /** What `prepare` computed from the source; undefined where a type has no `prepare`. */
  facts: Facts;
  section: { key: string; title: string; params: unknown };
  /** Outputs of the sections named in `after`, by key. A skipped one is absent. */
  sections: Readonly<Record<string, unknown>>;
}

export interface SectionContext<Source, Facts> extends SectionInput<Source, Facts> {
  /** Asks a model once per call key, however often the section is attempted. */
  call<T>(name: string, request: CallRequest<T>): Promise<T>;
  /**
   * As `call`, but answers `undefined` where the call ended for good with a contract failure or with its transient
   * attempts exhausted. The failure is still an event and a vote. Every other kind is thrown as usual.
   */
  callOrGiveUp<T>(name: string, request: CallRequest<T>): Promise<T | undefined>;
  /** Any other expensive operation, checkpointed under its name and the hash of its inputs. Never for side effects. */
  step<T>(
    name: string,
    inputs: unknown,
    run: (signal: AbortSignal) => Promise<T>,
    options?: StepOptions,
  ): Promise<T>;
  /** The delivered section says that nobody reviewed this draft, and why. */
  markUnreviewed(because: string): void;
  signal: AbortSignal;
}

interface SectionBase {
  key: string;
  title: string;
  /** Share of the progress bar; default 1. */
  weight?: number;
  /** Sections whose outputs this one reads. */
  after?: readonly string[];
  /** Those of `after` it can be written without. Where another of them is skipped, this one is skipped too. */
  optional?: readonly string[];
  retries?: number | Partial<RetryStrategy>;
}

/** One prompt, one answer. */
export interface PromptedSection<Source, Facts, Output> extends SectionBase {
  promptVersion: string;
  prompt(input: SectionInput<Source, Facts>): readonly Message[];
  output: OutputContract<Output>;
  model?: Partial<ModelConfig>;
  cache?: { ttlMs: number; scope?: "account" | "type" };
}

/** Any number of calls and steps. `output` is the contract of what it returns. */
export interface WrittenSection<Source, Facts, Output> extends SectionBase {
  write(context: SectionContext<Source, Facts>): Promise<Output>;
  output: OutputContract<Output>;
  /** What its calls ask of a model unless they say otherwise. */
  model?: Partial<ModelConfig>;
  /** Further logical models its calls name, so that the boot lint knows whether each has a price. */
  models?: readonly string[];
  /** Upper bound on the tokens of all its calls, for the estimate shown before anything is paid. */
  estimate?: { calls: number; inputTokens: number; outputTokens: number };
  /** Every prompt version its calls use, for the receipt and the boot lint. */
  promptVersions?: readonly string[];
}

// oxlint-disable-next-line typescript/no-explicit-any -- a list of sections has a different output type in each place
export type SectionDefinition<Source, Facts, Output = any> =
  | PromptedSection<Source, Facts, Output>
  | WrittenSection<Source, Facts, Output>;

/** A section chosen from the source: which definition writes it, under which key, and with what. */
export interface PlannedWith {
  key: string;
  title: string;
  template: string;
  params?: unknown;
  after?: readonly string[];
  optional?: readonly string[];
  weight?: number;
}

/** Sections that depend on the order. `plan` may make LLM calls: it runs as a section job on the worker role. */
export interface PlannedSections<Source, Facts> {
  templates: readonly SectionDefinition<Source, Facts>[];
  plan(context: SectionContext<Source, Facts>): Promise<readonly PlannedWith[]> | readonly PlannedWith[];
  /** Upper bound on the number of sections; a longer plan is a workflow failure before a token is spent on it. */
  maxSections: number;
  promptVersions?: readonly string[];
}

/** The finished document: Markdown is the source, HTML is rendered from it unless given. */
export interface AssembledReport {
  title: string;
  markdown: string;
}

export interface AssembleInput<Source, Facts> {
  report: { id: ReportId; type: string };
  source: Source;
  facts: Facts;
  /** In plan order. */
  sections: readonly { key: string; title: string; output: unknown; unreviewed: boolean }[];
}

/** A section, as far as a price may depend on it. */
export interface PricedSection {
  key: string;
  title: string;
  weight: number;
}

export interface ReportDefinition<Source, Facts> {
  type: string;
  /** An integer; raise it with every change a buyer could notice. */
  version: number;
  title: string;
  source: z.ZodType<Source>;
  /** Price in credits, an integer. */
  credits: number;
  /** What the delivered sections of a report cost together; default their share of the weights, rounded down. */
  partialPrice?(delivered: readonly PricedSection[], all: readonly PricedSection[]): number;
  /** Spend budget in US dollars; rounded to micro-USD once, here. */
  budget: { usd: number };
  maxSourceBytes?: number;
  model?: Partial<ModelConfig>;
  retries?: number | Partial<RetryStrategy>;
  /** When the type stops by itself, and how it starts again. */
  breaker?: Partial<BreakerSettings>;
  /** How long a parked report waits for a person before it fails and its credits go back; default 14 days. */
  reviewDeadlineMs?: number;
  /** A report that fails in this run or a later one, after money was spent on it, puts its account under credit review. */
  creditReviewAfterRuns?: number;
  /** Pure and deterministic: computes facts from the source, without a model. Runs wherever facts are needed. */
  prepare?(source: Source): Facts;
  sections: readonly SectionDefinition<Source, Facts>[] | PlannedSections<Source, Facts>;
  assemble(input: AssembleInput<Source, Facts>): AssembledReport;
  /** A source that `types try`, the estimate and the lint may use. */
  sample?: Source;
}

/** A report type as the fleet handles it: the author's source and facts types are erased. */
export type ReportType = ReportDefinition<unknown, unknown>;

/** Remembers the source for clients that order it; `sourceType` is never set. */
export type TypedReport<Source> = ReportType & { readonly sourceType?: Source };

export function defineReport<Source, Facts = undefined>(
  definition: ReportDefinition<Source, Facts>,
): TypedReport<Source> {
  // The fleet only ever feeds a type values that its own schema and `prepare` produced, so erasing is sound.
  return definition;
}

/** Lets a section be written apart from its report, with its types inferred from the report's source and facts. */
export function defineSection<Source, Facts, Output>(
  section: SectionDefinition<Source, Facts, Output>,
): SectionDefinition<Source, Facts, Output> {
  return section;
}

export const DEFAULT_MODEL: ModelConfig = { model: "default", maxOutputTokens: 2_000 };
export const DEFAULT_MAX_SOURCE_BYTES = 1_048_576;
/** Nothing larger is admitted, whatever a type says. */
export const HARD_MAX_SOURCE_BYTES = 4_194_304;
