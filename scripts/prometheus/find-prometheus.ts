/**
 * Finds Prometheus and its promtool, getting them from the machine's package manager where there are none: rules and
 * dashboards are tested by the program that will run them. As root on Debian it is installed, without leaving its service
 * running; elsewhere the error says what to do.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programOnPath } from "../redis/find-redis.ts";
import { installWithApt } from "../redis/install-with-apt.ts";
import { withLock } from "../redis/lock.ts";

export interface PrometheusPrograms {
  prometheus: string;
  promtool: string;
}

const INSTALL_WAIT_MS = 300_000;

export async function findPrometheus(say: (line: string) => void): Promise<PrometheusPrograms> {
  const there = onPath();
  if (there !== null) return there;
  return withLock(join(tmpdir(), "report-fleet-install-prometheus.lock"), INSTALL_WAIT_MS, async () => {
    const since = onPath();
    if (since !== null) return since;
    if (programOnPath("apt-get") !== null && process.getuid?.() === 0) {
      say("No Prometheus here: installing one with `apt-get install -y prometheus` ...");
      const ended = await installWithApt(["install", "-y", "prometheus"], "prometheus");
      if (ended.code !== 0) say(ended.output.trimEnd());
    }
    const installed = onPath();
    if (installed !== null) return installed;
    throw new Error(
      "There is no Prometheus, and none could be got: install `prometheus` and `promtool` and put them on PATH.",
    );
  });
}

function onPath(): PrometheusPrograms | null {
  const prometheus = programOnPath("prometheus");
  const promtool = programOnPath("promtool");
  return prometheus === null || promtool === null ? null : { prometheus, promtool };
}
