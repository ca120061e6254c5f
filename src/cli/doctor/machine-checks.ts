/** This machine and its settings: report types, prices, provider, folder, port. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { consoleMissing, openConsole } from "../../console/open-console.ts";
import { isFleetError } from "../../domain/fleet-error.ts";
import type { RouteConfig } from "../../llm/models.ts";
import { probeModels } from "../../llm/probe-models.ts";
import { spoolFiles } from "../../workers/spool.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

export function checkDataDir(dataDir: string): Finding {
  const check = "data.dir";
  const probe = join(dataDir, `.doctor-${process.pid}`);
  try {
    const made = mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(probe, "");
    // Whoever starts here makes it anew; a look leaves nothing behind.
    rmSync(made ?? probe, { recursive: true });
    return ok(check, "DATA_DIR can be written.");
  } catch (error) {
    return fail(
      check,
      `DATA_DIR (${dataDir}) cannot be written (${codeOf(error)}): an answer that Redis does not take would be kept in memory only.`,
      "Mount a volume there that the process's user may write and that outlives it.",
    );
  }
}

export function checkSpool(dataDir: string): Finding {
  const check = "data.spool";
  const waiting = spoolFiles(join(dataDir, "spool")).length;
  if (waiting === 0) return ok(check, "No paid answer waits to be saved.");
  return warn(
    check,
    `${waiting} paid ${waiting === 1 ? "answer waits" : "answers wait"} in DATA_DIR/spool to be saved.`,
    "A worker that is started with this DATA_DIR saves them first. Do not remove the files: they are paid.",
  );
}

/** Throws what the set-up throws; a sentence of ours becomes the finding. */
export async function checkSetUp(
  check: string,
  fine: string,
  advice: string,
  setUp: () => unknown,
): Promise<Finding> {
  try {
    await setUp();
    return ok(check, fine);
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return fail(check, error.message, advice);
  }
}

export async function checkProvider(routes: readonly RouteConfig[]): Promise<Finding[]> {
  return Promise.all(routes.map(checkRoute));
}

async function checkRoute(route: RouteConfig): Promise<Finding> {
  const check = "provider.answers";
  const where = `${new URL(route.baseUrl).host}, model ${route.model}`;
  const probe = await probeModels(route);
  switch (probe.outcome) {
    case "listed":
      return probe.known
        ? ok(check, `${where}: the key is taken and the model is there.`)
        : warn(
            check,
            `${where}: the key is taken, and the model is not on the provider's list.`,
            "Compare OPENAI_MODEL (or the route file) with the provider's names; some lists are not complete.",
          );
    case "no_list":
      return warn(
        check,
        `${where}: it answers and has no list of models, so this says nothing about the key.`,
        "report-fleet types try TYPE --live asks for real, within --max-usd.",
      );
    case "refused":
      return fail(
        check,
        `${where}: it refuses the key with status ${probe.status}.`,
        "Check OPENAI_API_KEY and OPENAI_BASE_URL (or the route file), and whether the account is paid.",
      );
    case "unreachable":
      return fail(
        check,
        `${where}: it cannot be reached (${probe.because}).`,
        "Check OPENAI_BASE_URL and whether this machine may reach it: name service, proxy, firewall.",
      );
  }
}

const NOT_HERE: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "EADDRNOTAVAIL",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Whoever listens there is asked whether it is ours. */
export async function checkPort({ host, port }: Pick<Config["api"], "host" | "port">): Promise<Finding> {
  const check = "api.port";
  if (port === 0) return ok(check, "The API takes a free port.");
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  try {
    const response = await fetch(`http://${at}/livez`, { signal: AbortSignal.timeout(3_000) });
    const body: unknown = await response.json().catch(() => null);
    if (response.ok && typeof body === "object" && body !== null && "alive" in body)
      return ok(check, `The API answers on ${at}.`);
  } catch (error) {
    const code = causeCodeOf(error);
    if (code === "ECONNREFUSED") return ok(check, `Nothing listens on ${at}; the API may.`);
    if (NOT_HERE.has(code))
      return fail(
        check,
        `HOST is ${host}, and that is no address of this machine (${code}).`,
        "Set HOST to one of its own, such as 127.0.0.1, or to 0.0.0.0 for all of them.",
      );
  }
  return fail(
    check,
    `Something that is not this API listens on ${at}.`,
    "Set PORT (and HOST) to a free one, or end the other program.",
  );
}

/** Whether the operator's pages would be served, and to whom. */
export async function checkConsole(config: Pick<Config, "console" | "caps" | "api">): Promise<Finding> {
  const check = "console.people";
  const missing = consoleMissing(config);
  if (missing !== null)
    return warn(
      check,
      `The console would not be served: ${missing}.`,
      "docs/desk.md says how people sign in.",
    );
  return checkSetUp(
    check,
    "The console would be served, and everybody who may sign in can be read.",
    "Without it the API does not start. docs/desk.md says how people sign in.",
    () => openConsole(config),
  );
}

function causeCodeOf(error: unknown): string {
  return error instanceof Error ? codeOf(error.cause) : "";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
