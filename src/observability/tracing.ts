/**
 * Traces, for teams that bring OpenTelemetry. Its interface is an optional peer, and without a registered SDK nothing
 * here costs more than a function call: the set-up (exporter, sampling) is the team's own, loaded before the program.
 *
 * All work on a report belongs to the trace in which it was ordered, in whatever process and however much later it is
 * done. The trace's context is kept with the report (`traceparent`), since BullMQ's jobs may be lost and rung again; a
 * report that was ordered without tracing gets a trace id from its own id, so its workers' spans still meet.
 */
import type * as OpenTelemetry from "@opentelemetry/api";
import type { BullMQOtel } from "bullmq-otel";
import { createHash } from "node:crypto";
import type { ReportId } from "../domain/ids.ts";

const otel: typeof OpenTelemetry | null = await import("@opentelemetry/api").then(
  (api) => api,
  () => null,
);

const NAME = "report-fleet";

export type Attributes = OpenTelemetry.Attributes;

/** Whether somebody listens; what only a trace needs is not even read otherwise. */
export function isTracing(): boolean {
  const provider = otel?.trace.getTracerProvider();
  // The interface answers with a stand-in until an SDK is registered, and only the stand-in knows whether one is.
  if (provider === undefined) return false;
  return !("getDelegateTracer" in provider) || delegateOf(provider) !== undefined;
}

/**
 * Runs `work` as a span of the current trace. `note` adds what is known only at the end. A thrown error marks the span
 * by its class alone: messages may hold a customer's text.
 */
export async function inSpan<T>(
  name: string,
  attributes: Attributes,
  work: (note: (more: Attributes) => void) => Promise<T>,
  kind: "internal" | "client" | "consumer" | "producer" = "internal",
): Promise<T> {
  if (otel === null || !isTracing()) return work(() => undefined);
  return run(otel, otel.context.active(), name, attributes, work, kind, []);
}

/** As `inSpan`, in the trace of the report. A job that BullMQ brought from another trace is linked, not followed. */
export async function inTraceOf<T>(
  report: ReportId,
  traceparentOf: () => Promise<string | null>,
  name: string,
  attributes: Attributes,
  work: (note: (more: Attributes) => void) => Promise<T>,
): Promise<T> {
  if (otel === null || !isTracing()) return work(() => undefined);
  const home = parse(await traceparentOf()) ?? madeFrom(report);
  const active = otel.context.active();
  const around = otel.trace.getSpanContext(active);
  if (around?.traceId === home.traceId) return run(otel, active, name, attributes, work, "consumer", []);
  const links = around === undefined ? [] : [{ context: around }];
  return run(otel, otel.trace.setSpanContext(active, home), name, attributes, work, "consumer", links);
}

/** Of the span that is active now, as W3C Trace Context writes it; null where nothing is traced. */
export function currentTraceparent(): string | null {
  const current = otel?.trace.getSpanContext(otel.context.active());
  if (current === undefined || otel?.isSpanContextValid(current) !== true) return null;
  return `00-${current.traceId}-${current.spanId}-${current.traceFlags.toString(16).padStart(2, "0")}`;
}

async function run<T>(
  api: typeof OpenTelemetry,
  parent: OpenTelemetry.Context,
  name: string,
  attributes: Attributes,
  work: (note: (more: Attributes) => void) => Promise<T>,
  kind: "internal" | "client" | "consumer" | "producer",
  links: OpenTelemetry.Link[],
): Promise<T> {
  const kinds = {
    internal: api.SpanKind.INTERNAL,
    client: api.SpanKind.CLIENT,
    consumer: api.SpanKind.CONSUMER,
    producer: api.SpanKind.PRODUCER,
  };
  const span = api.trace.getTracer(NAME).startSpan(name, { kind: kinds[kind], attributes, links }, parent);
  try {
    return await api.context.with(api.trace.setSpan(parent, span), () =>
      work((more) => {
        span.setAttributes(more);
        if ("error.type" in more) span.setStatus({ code: api.SpanStatusCode.ERROR });
      }),
    );
  } catch (error) {
    span.setAttribute("error.type", error instanceof Error ? error.name : "unknown");
    span.setStatus({ code: api.SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

function parse(traceparent: string | null): OpenTelemetry.SpanContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

function madeFrom(report: ReportId): OpenTelemetry.SpanContext {
  const digest = createHash("sha256").update(report).digest("hex");
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48), traceFlags: 1, isRemote: true };
}

function delegateOf(provider: OpenTelemetry.TracerProvider): OpenTelemetry.Tracer | undefined {
  return (provider as OpenTelemetry.ProxyTracerProvider).getDelegateTracer(NAME);
}

/** What makes BullMQ's own spans and carries the trace through its jobs, where `bullmq-otel` is installed too. */
export async function jobTelemetry(): Promise<BullMQOtel | null> {
  if (!isTracing()) return null;
  const found = await import("bullmq-otel").catch(() => null);
  return found === null ? null : new found.BullMQOtel({ tracerName: NAME });
}
