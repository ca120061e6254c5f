import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/report-fleet.js", import.meta.url));

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningCommand {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** Resolves with the first line on stdout. */
  firstLine: Promise<string>;
}

/** Starts `report-fleet` as a person would: its own process, its own streams. */
export function startCommand(
  args: readonly string[],
  options: { input?: string; node?: string; env?: NodeJS.ProcessEnv } = {},
): RunningCommand {
  const child = spawn(options.node ?? process.execPath, [BIN, ...args], {
    // The test run's Redis forgets, and that is accepted here once for all.
    env: { ACCEPT_LOSS: "restart", ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("utf8");
      const end = stdout.indexOf("\n");
      if (end >= 0) resolve(stdout.slice(0, end));
    });
    child.once("close", () => reject(new Error(`It ended without a line on stdout: ${stderr}`)));
  });
  // Most tests wait for the end only.
  firstLine.catch(() => {});
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  // A command that does not read its input may be gone before we have written it.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, finished, firstLine };
}

export function runCommand(...args: Parameters<typeof startCommand>): Promise<Finished> {
  return startCommand(...args).finished;
}
