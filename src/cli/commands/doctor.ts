import { Command } from "commander";
import type { Terminal } from "../command.ts";
import type { Colour } from "../output.ts";
import { EXIT } from "../exit-codes.ts";
import type { Level } from "../doctor/finding.ts";
import { rolesOption, type RoleName } from "../options.ts";

interface DoctorOptions {
  roles: readonly RoleName[];
  probeProvider: boolean;
  quiet: boolean;
}

const EXIT_OF = {
  ok: EXIT.ok,
  warn: EXIT.doctorWarns,
  fail: EXIT.doctorFails,
} as const satisfies Record<Level, number>;
const COLOUR_OF = { ok: "green", warn: "yellow", fail: "red" } as const satisfies Record<Level, Colour>;

export function doctorCommand({ output, finish }: Terminal): Command {
  return new Command("doctor")
    .summary("check the set-up and the live fleet, and say what to change")
    .description(
      "Checks the settings, the report types, Redis and the fleet that works on it, and says what to change. It changes " +
        "nothing and pays nothing. Exit code 0: all well; 20: something to change soon; 21: something does not work.",
    )
    .addOption(rolesOption("what this machine is meant to run: api, orchestrator, worker"))
    .option("--probe-provider", "also ask each provider for its list of models, which costs nothing", false)
    .option("--quiet", "leave out what is well", false)
    .option("--json", 'print {"data": […], "worst": "ok"|"warn"|"fail"}', false)
    .action(async (options: DoctorOptions) => {
      const { examine } = await import("../doctor/examine.ts");
      const { worst } = await import("../doctor/finding.ts");
      const all = await examine(options);
      const shown = options.quiet ? all.filter(({ level }) => level !== "ok") : all;
      output.data({ data: shown, worst: worst(all) }, () =>
        shown.flatMap(({ check, level, says, advice }) => [
          `${output.paint(COLOUR_OF[level], level.padEnd(4))}  ${check.padEnd(20)}  ${says}`,
          ...(advice === null ? [] : [`${" ".repeat(28)}→ ${advice}`]),
        ]),
      );
      const wrong = all.filter(({ level }) => level !== "ok").length;
      output.talk(
        wrong === 0
          ? `${all.length} checks, nothing to change.`
          : `${all.length} checks, ${wrong} to look at.`,
      );
      finish(EXIT_OF[worst(all)]);
    });
}
