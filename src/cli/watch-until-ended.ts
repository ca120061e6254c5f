import type { ReportId } from "../domain/ids.ts";
import type { ReportStatus } from "../domain/report.ts";
import { audienceFor } from "./audience.ts";
import type { Terminal } from "./command.ts";
import { exitCodeOf, interruption, watchReports, type Audience, type Watched } from "./watch-reports.ts";

/** Watches, sets the exit code, and says how to go on watching where it ended early. */
export async function watchUntilEnded(
  { output, finish }: Terminal,
  what: {
    redisUrl: string;
    fleet: string;
    ids: readonly ReportId[];
    until?: ReportStatus | undefined;
    timeoutMs?: number | undefined;
    audience?: Audience;
    /** False where the reports end with the command. */
    goesOn?: boolean;
    /** Where Ctrl-C was listened for before there was anything to watch. */
    interrupted?: ReturnType<typeof interruption>;
  },
): Promise<Watched> {
  const { signal, release } = what.interrupted ?? interruption();
  try {
    const watched = await watchReports({ ...what, audience: what.audience ?? audienceFor(output), signal });
    finish(exitCodeOf(watched, what.until));
    if (watched.outcome !== "ended" && what.goesOn !== false && !output.json) {
      const few = what.ids.length <= 3;
      const why = watched.outcome === "timed_out" ? "Stopped watching: time is up" : "Stopped watching";
      const how = few ? `report-fleet watch ${what.ids.join(" ")}` : "report-fleet ls";
      output.talk(`${why}. The fleet goes on; look again with: ${how}`);
    }
    return watched;
  } finally {
    release();
  }
}
