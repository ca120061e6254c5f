/** A fleet role in a process of its own, started by the command a team would use, so that a test can kill it. */
import { fileURLToPath } from "node:url";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { startCommand, type RunningCommand } from "./command-line.ts";

const TYPES = fileURLToPath(new URL("./report-types/index.ts", import.meta.url));

export interface FleetProcess extends RunningCommand {
  /** Its name in the process registry. */
  processId: string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function startFleetProcess(settings: {
  redisUrl: string;
  fleet: string;
  roles: string;
  /** Absent for a process that must not need one. */
  providerUrl?: string;
  concurrency?: number;
  timeScale?: number;
  env?: NodeJS.ProcessEnv;
}): Promise<FleetProcess> {
  const provider =
    settings.providerUrl === undefined
      ? {}
      : {
          OPENAI_BASE_URL: settings.providerUrl,
          OPENAI_API_KEY: "simulated",
          OPENAI_MODEL: SIMULATED_MODELS[0],
        };
  const command = startCommand(
    ["start", "--roles", settings.roles, "--concurrency", String(settings.concurrency ?? 4)],
    {
      env: {
        REDIS_URL: settings.redisUrl,
        FLEET: settings.fleet,
        REPORT_TYPES: TYPES,
        TIME_SCALE: String(settings.timeScale ?? 1),
        LOG_LEVEL: "warn",
        ...provider,
        ...settings.env,
      },
    },
  );
  const processId = await command.firstLine;
  return {
    ...command,
    processId,
    async kill(signal) {
      command.child.kill(signal);
      await command.finished;
    },
  };
}
