/** Traces as a team would have them: its own set-up loaded before each process, sent to its own collector. */
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startSimulatedProvider } from "../../src/testing.ts";
import { runCommand } from "../support/command-line.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { startTraceCollector } from "../support/trace-collector.ts";

const TYPES = fileURLToPath(new URL("../support/report-types/index.ts", import.meta.url));
const SETUP = new URL("../../docs/examples/tracing.js", import.meta.url).href;
const CANARY = "canary-marmalade";

async function tracedFleet(more: NodeJS.ProcessEnv = {}) {
  const collector = await startTraceCollector();
  const provider = await startSimulatedProvider({ latency: "none" });
  onTestFinished(() => provider.close());
  const env = {
    REDIS_URL: testRedisUrl(),
    FLEET: uniqueFleet("tracing"),
    REPORT_TYPES: TYPES,
    NODE_OPTIONS: `--import ${SETUP}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_SERVICE_NAME: "producer",
    ...more,
  };
  const start = (roles: string, providerUrl?: string) =>
    startFleetProcess({
      redisUrl: env.REDIS_URL,
      fleet: env.FLEET,
      roles,
      concurrency: 1,
      ...(providerUrl === undefined ? {} : { providerUrl }),
      env: { ...env, OTEL_SERVICE_NAME: roles },
    });
  const processes = await Promise.all([start("orchestrator"), start("worker", provider.url)]);
  onTestFinished(async () => {
    await Promise.all(processes.map((one) => one.kill("SIGKILL")));
  });
  await runCommand(["credits", "grant", "--account", "acme", "--amount", "50", "--reference", "1"], { env });
  return {
    collector,
    provider,
    order: async (): Promise<string> => {
      const input = JSON.stringify({ topic: CANARY });
      const done = await runCommand(
        ["submit", "topic", "--account", "acme", "--input", input, "--wait", "--json"],
        { env },
      );
      expect(done).toMatchObject({ code: 0 });
      const [row] = done.stdout.trim().split("\n");
      return (JSON.parse(row ?? "") as { id: string }).id;
    },
    stop: async () => {
      await Promise.all(processes.map((one) => one.kill("SIGTERM")));
    },
  };
}

test("one trace leads from the order through all processes to the delivery, with what each call cost", async () => {
  const { collector, provider, order, stop } = await tracedFleet();
  const id = await order();
  await stop();

  const ours = collector.spans.filter(({ attributes }) => attributes["report_fleet.report"] === id);
  const traces = new Set(ours.map(({ traceId }) => traceId));
  expect(traces.size).toBe(1);
  const [trace] = traces;
  const inTrace = collector.spans.filter(({ traceId }) => traceId === trace);
  const who = (span: string) =>
    new Set(inTrace.filter(({ name }) => name === span).map(({ service }) => service));
  expect(who("submit report")).toEqual(new Set(["producer"]));
  expect(who("advance report")).toEqual(new Set(["orchestrator"]));
  expect(who("write section")).toEqual(new Set(["worker"]));

  // Nothing hangs in the air: each span but the first has a parent that was collected too.
  const ids = new Set(inTrace.map(({ spanId }) => spanId));
  const roots = inTrace.filter(({ parentSpanId }) => parentSpanId === null);
  expect(roots.map(({ name }) => name)).toEqual(["submit report"]);
  expect(inTrace.filter(({ parentSpanId }) => parentSpanId !== null && !ids.has(parentSpanId))).toEqual([]);

  const calls = inTrace.filter(({ name }) => name.startsWith("chat "));
  const billed = provider.ledger();
  expect(calls).toHaveLength(billed.length);
  const tokens = (key: string) =>
    calls.map(({ attributes }) => Number(attributes[key])).reduce((a, b) => a + b, 0);
  expect(tokens("gen_ai.usage.input_tokens")).toBe(sum(billed.map(({ inputTokens }) => inputTokens)));
  expect(tokens("gen_ai.usage.output_tokens")).toBe(sum(billed.map(({ outputTokens }) => outputTokens)));
  expect(tokens("report_fleet.spend_micros")).toBeGreaterThan(0);
  // What a customer sent stays out of traces unless a team asks for it.
  expect(collector.text()).not.toContain(CANARY);
});

test("prompts and answers are on the spans where a team asked for them by name", async () => {
  const { collector, order, stop } = await tracedFleet({ TRACE_CONTENT: "true" });
  await order();
  await stop();
  const call = collector.spans.find(({ name }) => name.startsWith("chat "));
  expect(String(call?.attributes["gen_ai.input.messages"])).toContain(CANARY);
  expect(call?.attributes["gen_ai.output.messages"]).toBeDefined();
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
