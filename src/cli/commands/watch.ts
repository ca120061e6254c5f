import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import type { ReportStatus } from "../../domain/report.ts";
import type { Terminal } from "../command.ts";
import { duration, reportId, reportStatus } from "../options.ts";
import type { Audience } from "../watch-reports.ts";

interface WatchOptions {
  until?: ReportStatus;
  timeout?: number;
}

export function watchCommand(terminal: Terminal): Command {
  const { output } = terminal;
  return new Command("watch")
    .summary("show reports live until they have ended")
    .description(
      "Shows reports live until each is finished or needs a person. With --json every event is one line, as it was " +
        "stored, from the report's first on. Ctrl-C only stops watching.",
    )
    .argument("<id...>", "the reports' ids")
    .addOption(new Option("--until <status>", "end when all are in this status").argParser(reportStatus))
    .addOption(
      new Option("--timeout <duration>", "stop watching after this, as in 90s or 30m").argParser(duration),
    )
    .option("--json", "print events as JSON lines", false)
    .action(async (given: string[], { until, timeout }: WatchOptions) => {
      const ids = [...new Set(given.map(reportId))];
      const { commandRedisUrl, withStore } = await import("../configured.ts");
      const { readSnapshot, sentenceOf } = await import("../../producer/report-view.ts");
      const { watchUntilEnded } = await import("../watch-until-ended.ts");
      const config = loadConfig();
      // A wrong id or a Redis that is not there is said before anybody waits.
      await withStore(config, async (store) => {
        for (const id of ids) await readSnapshot(store, id);
      });
      const { snapshots } = await watchUntilEnded(terminal, {
        redisUrl: commandRedisUrl(config),
        fleet: config.fleet,
        ids,
        until,
        timeoutMs: timeout,
        ...(output.json ? { audience: jsonLines } : {}),
      });
      if (output.json) return;
      for (const [id, snapshot] of snapshots) output.data(null, () => [`${id}  ${sentenceOf(snapshot)}`]);
    });
}

const jsonLines: Audience = {
  events(events) {
    for (const { id, at, event } of events) process.stdout.write(`${JSON.stringify({ id, at, ...event })}\n`);
  },
  snapshot: () => undefined,
  close: () => undefined,
};
