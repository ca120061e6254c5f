/**
 * A worker process of a pool. In a group of its own, so that a terminal's Ctrl-C reaches the pool only, which then tells
 * each replica once; the line between them tells a replica when the pool is gone.
 */
import { fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { ReplicaProcess } from "../workers/pool.ts";

export function startReplica(settings: {
  /** The command line, as a program that Node runs. */
  program: string;
  concurrency: number;
  env: NodeJS.ProcessEnv;
}): ReplicaProcess {
  const options = ["--roles", "worker", "--concurrency", String(settings.concurrency), "--json"];
  const child = fork(settings.program, ["start", ...options], {
    detached: true,
    env: settings.env,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const ended = new Promise<Awaited<ReplicaProcess["ended"]>>((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const started = new Promise<string | null>((resolve) => {
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on("line", (line) => {
        const name = processIn(line);
        if (name !== null) resolve(name);
      });
    void ended.then(() => resolve(null));
  });
  return { pid: child.pid ?? 0, started, ended, signal: (name) => void child.kill(name) };
}

/** Null for whatever else is printed: report types are somebody's code, and it may talk while it is loaded. */
function processIn(line: string): string | null {
  try {
    const said = JSON.parse(line) as { process?: unknown } | null;
    return typeof said?.process === "string" ? said.process : null;
  } catch {
    return null;
  }
}
