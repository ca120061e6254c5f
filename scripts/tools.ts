/**
 * Runs the development tools by their own programs under the Node that runs us: node_modules/.bin would take whichever
 * Node is first on PATH, and that may be an old one.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

const TOOLS = {
  knip: "knip/bin/knip.js",
  oxfmt: "oxfmt/bin/oxfmt",
  oxlint: "oxlint/bin/oxlint",
  tsc: "typescript/bin/tsc",
  vitest: "vitest/vitest.mjs",
} as const;

export type Tool = keyof typeof TOOLS;

export interface Ended {
  code: number;
}

export function runTool(tool: Tool, args: readonly string[]): Promise<Ended> {
  return run(process.execPath, [`${root}node_modules/${TOOLS[tool]}`, ...args], { cwd: root });
}

export function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; quiet?: boolean },
): Promise<Ended & { output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: options.quiet === true ? ["ignore", "pipe", "pipe"] : "inherit",
    });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    const stop = (signal: NodeJS.Signals): void => {
      // As in node-runtime.js: a terminal has told the child already.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, stop);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const name of signals) process.off(name, stop);
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), output });
    });
  });
}
