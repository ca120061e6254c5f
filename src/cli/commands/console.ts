/** For the operator's pages: a link that signs one person in, and the line that gives a person a password. */
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig, type Config } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import {
  PERSON_NAME,
  PERSON_NAME_RULE,
  PERSON_ROLES,
  type Person,
  type PersonRole,
} from "../../domain/person.ts";
import { formatWait } from "../../domain/ids.ts";
import type { Terminal } from "../command.ts";

export function consoleCommand(terminal: Terminal): Command {
  return new Command("console")
    .summary("sign in at the operator's pages")
    .description("The operator's pages lie under /console of a process with the role api; see docs/desk.md.")
    .addCommand(linkCommand(terminal))
    .addCommand(hashCommand(terminal));
}

function linkCommand({ output }: Terminal): Command {
  return new Command("link")
    .description("Prints a link that signs one person in, once.")
    .addOption(
      new Option("--name <name>", "who it is for, as the audit will say").default("operator").argParser(name),
    )
    .addOption(new Option("--role <role>", "what they may do").choices(PERSON_ROLES).default("admin"))
    .option("--url <url>", "where people reach the fleet (default: CONSOLE_URL, or HOST and PORT)")
    .option("--json", "print the link with its properties as JSON", false)
    .action(async ({ url, name: who, role }: Person & { url?: string }) => {
      const person = { name: who, role };
      const { withStore } = await import("../configured.ts");
      const { makeLink } = await import("../../store/console-sessions.ts");
      const { recordAudit } = await import("../../store/audit.ts");
      const config = loadConfig();
      const { consoleLinkMs } = config.durations;
      const text = await withStore(config, async (store) => {
        const link = await makeLink(store, person, consoleLinkMs);
        await recordAudit(store, {
          action: "sign_in_link",
          by: "the command line",
          why: `for ${person.name}, ${person.role}`,
        });
        return link;
      });
      const link = consoleLink(url ?? consoleAddress(config), text);
      output.data({ link, ...person, validMs: consoleLinkMs }, () => [link]);
      if (!output.json)
        output.talk(
          `Signs in "${person.name}" as ${person.role}, once, within ${formatWait(consoleLinkMs)}.`,
        );
    });
}

function hashCommand({ output }: Terminal): Command {
  return new Command("hash")
    .description("Reads a password from stdin and prints the line that CONSOLE_USERS or its file takes.")
    .addOption(new Option("--name <name>", "the name to sign in with").makeOptionMandatory().argParser(name))
    .addOption(new Option("--role <role>", "what they may do").choices(PERSON_ROLES).makeOptionMandatory())
    .option("--json", "print the line as JSON", false)
    .action(async (person: { name: string; role: PersonRole }) => {
      const { hashPassword, LONGEST_PASSWORD, SHORTEST_PASSWORD } = await import("../../console/password.ts");
      const { readStdin } = await import("../inputs.ts");
      const password = (await readStdin()).replace(/\r?\n$/, "");
      if (password.length < SHORTEST_PASSWORD || password.length > LONGEST_PASSWORD)
        throw new FleetError(
          "usage",
          `A password has ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters. Pipe it in: printf %s "$PASSWORD" | report-fleet console hash --name ada --role admin`,
        );
      const line = `${person.name}:${person.role}:${await hashPassword(password)}`;
      output.data({ line }, () => [line]);
    });
}

export function consoleAddress({ console: { url }, api }: Pick<Config, "console" | "api">): string {
  return url ?? `http://${api.host.includes(":") ? `[${api.host}]` : api.host}:${api.port}`;
}

export function consoleLink(url: string, text: string): string {
  return `${url.replace(/\/+$/, "")}/console/link/${text}`;
}

function name(text: string): string {
  if (PERSON_NAME.test(text)) return text;
  throw new InvalidArgumentError(`Expected ${PERSON_NAME_RULE}.`);
}
