/** Prometheus and its promtool: rules and dashboards are tested by the program that will run them. */
import { programOnPath } from "../redis/find-redis.ts";
import { findOrInstall } from "./find-or-install.ts";

export interface PrometheusPrograms {
  prometheus: string;
  promtool: string;
}

export function findPrometheus(say: (line: string) => void): Promise<PrometheusPrograms> {
  return findOrInstall(
    { name: "Prometheus", packages: ["prometheus"], service: "prometheus", find: onPath },
    say,
  );
}

function onPath(): PrometheusPrograms | null {
  const prometheus = programOnPath("prometheus");
  const promtool = programOnPath("promtool");
  return prometheus === null || promtool === null ? null : { prometheus, promtool };
}
