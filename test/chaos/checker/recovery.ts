/**
 * How long the fleet took to get over a fault, in ms: told for the reader, and judged by invariant 12 alone, which knows only
 * of a longest time.
 */
import type { Evidence } from "../evidence.ts";
import { reportsByOrder } from "./calls.ts";

/** What a person calls it, and each time it was seen. */
export type Recoveries = Record<string, number[]>;

export function recoveries(evidence: Evidence): Recoveries {
  const { faults, processes } = evidence;
  const deaths = processes.filter((row) => row.happened === "ended" && row.signal === "SIGKILL");
  const silences = faults.filter(({ fault, hit }) => hit && ["F2", "F13"].includes(fault));
  const outages = faults.filter(({ fault, hit }) => hit && ["F4", "F5", "F8", "F9", "F11"].includes(fault));
  return {
    "a process died: its call is somebody else's after": deaths.flatMap(({ process, at }) =>
      handedOn(evidence, process, at),
    ),
    "a process fell silent: its call is somebody else's after": silences.flatMap(({ target, from }) =>
      handedOn(evidence, target, from),
    ),
    "Redis is back: the next answer is on the books after": outages.flatMap(({ to }) =>
      nextAnswer(evidence, to),
    ),
  };
}

/** For each request that the provider had from it at that moment: until its section is claimed again. */
function handedOn({ provider, reports }: Evidence, process: string, at: number): number[] {
  const byOrder = reportsByOrder(reports);
  return provider
    .filter((row) => row.askedBy === process && row.at <= at && row.bookedAt >= at)
    .flatMap(({ marker }) => {
      const [, section, , order] = marker?.split("/") ?? [];
      const claim = byOrder
        .get(Number(order))
        ?.events.find(
          (one) =>
            one.at > at &&
            one.event.event === "section.status" &&
            one.event.section === section &&
            one.event.status === "running",
        );
      return claim === undefined ? [] : [claim.at - at];
    });
}

function nextAnswer({ reports }: Evidence, at: number): number[] {
  const times = [...reports.values()].flatMap(({ events }) =>
    events.flatMap((one) => (one.event.event === "call.answered" && one.at > at ? [one.at - at] : [])),
  );
  return times.length === 0 ? [] : [Math.min(...times)];
}
