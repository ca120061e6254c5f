/**
 * Sends traces to any OpenTelemetry collector. Load it before the program, in every process of the fleet and in your own
 * services that order reports:
 *
 *     npm install @opentelemetry/api @opentelemetry/sdk-trace-node @opentelemetry/resources \
 *         @opentelemetry/exporter-trace-otlp-http bullmq-otel
 *     export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SERVICE_NAME=report-fleet
 *     NODE_OPTIONS="--import ./tracing.js" npx report-fleet start
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const provider = new NodeTracerProvider({
  resource: defaultResource().merge(detectResources({ detectors: [envDetector] })),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

// A command that has done its work, or a process that was told to stop, sends what it still holds.
process.once("beforeExit", () => void provider.shutdown());
