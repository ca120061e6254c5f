import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatWait, type EpochMs } from "../../domain/ids.ts";
import type { Terminal } from "../command.ts";

export function routesCommand({ output }: Terminal): Command {
  const routes = new Command("routes").summary("list routes to providers, and open or close one");
  routes
    .command("ls", { isDefault: true })
    .description("Lists every route a call ever went over, and whether calls may go over it now.")
    .option("--json", 'print {"data": […]}', false)
    .action(async () => {
      const { withStore } = await import("../configured.ts");
      const { listRoutes } = await import("../../store/routes.ts");
      const rows = await withStore(loadConfig(), listRoutes);
      const now = Date.now();
      const age = (at: EpochMs) => formatWait(Math.max(0, now - at));
      output.list(rows, [
        { title: "route", value: (row) => row.route },
        {
          title: "state",
          value: (row) => row.state,
        },
        {
          title: "answered",
          value: (row) => (row.answeredAt === null ? "never" : `${age(row.answeredAt)} ago`),
        },
        {
          title: "because",
          value: (row) =>
            row.closed ??
            (row.troubleSince === null
              ? ""
              : `gives no answers for ${age(row.troubleSince)}; one call at a time tries it`),
        },
      ]);
    });
  routes
    .command("open")
    .argument("<route>", "as `routes ls` prints it")
    .description(
      "Lets calls over a closed route again, once what was wrong is mended. Waiting reports go on by themselves.",
    )
    .requiredOption("--by <name>", "who opens it")
    .option("--json", "print the result as JSON", false)
    .action(async (route: string, { by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { openRoute } = await import("../../store/routes.ts");
      const outcome = await withStore(loadConfig(), (store) => openRoute(store, route, by));
      if (outcome === "unknown") throw unknownRoute(route);
      output.data({ route, state: "open" }, () => [`${route} is open.`]);
    });
  routes
    .command("close")
    .argument("<route>", "as `routes ls` prints it")
    .description(
      "Lets no call begin over a route until a person opens it. Reports wait, or use their next route.",
    )
    .requiredOption("--by <name>", "who closes it")
    .requiredOption("--reason <text>", "shown to whoever waits")
    .option("--json", "print the result as JSON", false)
    .action(async (route: string, { by, reason }: { by: string; reason: string }) => {
      const { withStore } = await import("../configured.ts");
      const { closeRouteBy } = await import("../../store/routes.ts");
      const outcome = await withStore(loadConfig(), (store) =>
        closeRouteBy(store, route, { by, why: reason }),
      );
      if (outcome === "unknown") throw unknownRoute(route);
      output.data({ route, state: "closed" }, () => [`${route} is closed.`]);
    });
  return routes;
}

function unknownRoute(route: string): FleetError {
  return new FleetError(
    "not_found",
    `No call ever went over the route "${route}". \`report-fleet routes ls\` lists them.`,
  );
}
