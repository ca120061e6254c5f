import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { Terminal } from "../command.ts";

interface Decision {
  by: string;
  reason: string;
}

export function workersCommand({ output }: Terminal): Command {
  const workers = new Command("workers").summary("list the fleet's processes, and drain one");
  workers
    .command("ls", { isDefault: true })
    .description("Lists the registered processes with their roles, versions and what each has in hand.")
    .option("--json", 'print {"data": […]}', false)
    .action(async () => {
      const { withStore } = await import("../configured.ts");
      const { listInHand, listProcesses } = await import("../../store/processes.ts");
      const rows = await withStore(loadConfig(), async (store) =>
        Promise.all(
          (await listProcesses(store)).map(async ({ id, pid, roles, version, drainedBy }) => ({
            id,
            pid,
            roles,
            version,
            drainedBy,
            inHand: (await listInHand(store, id)).length,
          })),
        ),
      );
      output.list(rows, [
        { title: "process", value: (row) => row.id },
        { title: "roles", value: (row) => row.roles },
        { title: "version", value: (row) => row.version },
        { title: "in hand", value: (row) => String(row.inHand), align: "right" },
        {
          title: "state",
          value: (row) => (row.drainedBy === null ? "running" : `drained by ${row.drainedBy}`),
        },
      ]);
    });
  for (const [name, on, says] of [
    ["drain", true, "Lets a process begin no further section; what it has in hand is finished."],
    ["undrain", false, "Lets a drained process take sections again."],
  ] as const)
    workers
      .command(name)
      .argument("<process>", "as `workers ls` prints it")
      .description(says)
      .requiredOption("--by <name>", "who decides it")
      .requiredOption("--reason <text>", "why; kept in the audit")
      .option("--json", "print the result as JSON", false)
      .action(async (id: string, { by, reason }: Decision) => {
        const { withStore } = await import("../configured.ts");
        const { drainProcess } = await import("../../store/processes.ts");
        const outcome = await withStore(loadConfig(), (store) =>
          drainProcess(store, id, on, { by, why: reason }),
        );
        if (outcome === "unknown")
          throw new FleetError(
            "not_found",
            `No process ${id} is registered. \`report-fleet workers ls\` lists them.`,
          );
        output.data({ process: id, drained: on, repeated: outcome === "already" }, () => [
          on ? `${id} begins no section from its next beat on.` : `${id} takes sections again.`,
        ]);
      });
  return workers;
}
