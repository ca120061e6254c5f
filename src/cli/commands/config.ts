import { Command } from "commander";
import { environmentWith } from "../../config.ts";
import { settingsInForce } from "../../config/settings.ts";
import type { Terminal } from "../command.ts";

export function configCommand({ output }: Terminal): Command {
  const config = new Command("config").summary("show the settings in force");
  config
    .command("print", { isDefault: true })
    .description(
      "Prints every setting as this environment has it, with secrets masked. docs/configuration.md says what each means.",
    )
    .option("--json", 'print {"data": […]}', false)
    .action(() => {
      output.list(settingsInForce(environmentWith({})), [
        { title: "setting", value: ({ name }) => name },
        { title: "from", value: ({ from }) => from },
        { title: "value", value: ({ value }) => value ?? "" },
      ]);
    });
  return config;
}
