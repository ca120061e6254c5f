/** A Prometheus of one test: scrapes these targets every second, evaluates our rules as often, and is gone afterwards. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findPrometheus } from "../../scripts/programs/find-prometheus.ts";
import { freePort } from "../../src/cli/free-port.ts";
import { waitFor } from "../../src/testing.ts";

const DASHBOARDS = resolve(import.meta.dirname, "../../dashboards");
const RULES = ["recording.rules.yml", "alerts.rules.yml"];

export interface Series {
  labels: Record<string, string>;
  value: number;
}

export interface TestPrometheus {
  /** What a panel would show now; throws what Prometheus answers where it cannot. */
  query(expr: string): Promise<Series[]>;
  stop(): Promise<void>;
}

/** Job → addresses. */
export async function startPrometheus(
  targets: Readonly<Record<string, readonly string[]>>,
): Promise<TestPrometheus> {
  const { prometheus } = await findPrometheus((line) => process.stderr.write(`${line}\n`));
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-prometheus-"));
  for (const file of RULES)
    writeFileSync(
      join(dir, file),
      readFileSync(join(DASHBOARDS, file), "utf8").replaceAll("interval: 30s", "interval: 1s"),
    );
  const jobs = Object.entries(targets).map(([job, urls]) => ({
    job_name: job,
    static_configs: [{ targets: urls.map((url) => new URL(url).host) }],
  }));
  // JSON is YAML.
  writeFileSync(
    join(dir, "prometheus.yml"),
    JSON.stringify({
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: RULES,
      scrape_configs: jobs,
    }),
  );
  const port = await freePort();
  const child = spawn(
    prometheus,
    [
      `--config.file=${join(dir, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString("utf8");
  });
  const ended = new Promise<void>((done) => {
    child.once("close", () => done());
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended: ${log}`);
      return fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    () => `Prometheus is not ready: ${log}`,
  );
  return {
    query: (expr) => query(url, expr),
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function query(url: string, expr: string): Promise<Series[]> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: "POST",
    body: new URLSearchParams({ query: expr }),
  });
  const answer = (await response.json()) as {
    status: string;
    error?: string;
    data?: { resultType: string; result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
  return (answer.data?.result ?? []).map(({ metric, value }) => ({
    labels: metric,
    value: Number(value[1]),
  }));
}
