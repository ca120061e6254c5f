/** What a report takes longer than its three calls of 100 ms, one after the other on an idle fleet. */
import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { readEvents } from "../../src/store/read-events.ts";
import { waitFor } from "../../src/testing.ts";
import type { Lab } from "../lab.ts";
import { median } from "../median.ts";
import { reportFleet } from "../systems.ts";

const CALL_MS = 100;
const CALLS = 3;

export interface Latency {
  added_ms_per_report: number;
  /** Of the section alone: from its claim to its end. */
  added_ms_per_call: number;
  /** What such a call adds by itself, from an idle process with an open connection. */
  added_ms_by_a_bare_call: number;
}

export async function latency(lab: Lab, reports: number): Promise<Latency> {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs: CALL_MS });
  const fleet = await reportFleet(lab);
  const program = await fleet.start();
  const added: Omit<Latency, "added_ms_by_a_bare_call">[] = [];
  try {
    for (let nth = 0; nth < reports + 5; nth++) {
      const id = await fleet.submit(`latency.${nth}`, "bench", "short");
      const events = await waitFor(
        async () => {
          const all = await readEvents(fleet.store, id, "0");
          const ended = all.some(
            ({ event }) => event.event === "report.status" && event.status === "completed",
          );
          return ended ? all : null;
        },
        () => `${id} has not ended`,
      );
      const at = (name: string, status?: string) =>
        events.find(
          ({ event }) => event.event === name && (!status || ("status" in event && event.status === status)),
        )?.at ?? 0;
      const section = at("section.status", "completed") - at("section.status", "running");
      const whole = at("report.status", "completed") - at("report.submitted");
      // The first few only warm up.
      if (nth >= 5)
        added.push({
          added_ms_per_report: whole - CALLS * CALL_MS,
          added_ms_per_call: (section - CALLS * CALL_MS) / CALLS,
        });
      await pause(20);
    }
  } finally {
    await program.kill("SIGKILL");
  }
  return {
    added_ms_per_report: median(added.map((one) => one.added_ms_per_report)),
    added_ms_per_call: median(added.map((one) => one.added_ms_per_call)),
    added_ms_by_a_bare_call: (await bareCallMs(lab, reports)) - CALL_MS,
  };
}

async function bareCallMs(lab: Lab, times: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const body = JSON.stringify({ messages: [{ role: "user", content: "[[bench/bare/draft/latency]]" }] });
  const took: number[] = [];
  for (let nth = 0; nth < times; nth++) {
    const from = performance.now();
    await new Promise<void>((resolve, reject) => {
      const call = request(`${lab.provider.url}/chat/completions`, { method: "POST", agent }, (answer) => {
        answer.resume().once("end", resolve).once("error", reject);
      });
      call.once("error", reject).end(body);
    });
    took.push(performance.now() - from);
  }
  agent.destroy();
  return median(took);
}
