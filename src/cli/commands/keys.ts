/** Keys of the HTTP API. The first admin key is made here, since over HTTP it takes one to make one. */
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { isKeyId, SCOPES, SCOPES_OF_THE_FLEET, type ApiKey, type Scope } from "../../domain/api-key.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { Terminal } from "../command.ts";
import { account, wholeNumber } from "../options.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";

const LONGEST_NAME = 100;
const MOST_DAYS = 3_650;
const DAY_MS = 86_400_000;
const MOST_KEYS = 1_000;

interface Wanted {
  name: string;
  account?: string;
  scopes: Scope[];
  days?: number;
}

export function keysCommand(terminal: Terminal): Command {
  return new Command("keys")
    .summary("create, list and revoke keys of the HTTP API")
    .description("A key belongs to one account and sees only that, or to none and sees the fleet.")
    .addCommand(createCommand(terminal))
    .addCommand(listCommand(terminal))
    .addCommand(revokeCommand(terminal));
}

function createCommand({ output }: Terminal): Command {
  return new Command("create")
    .description("Prints a new key, once; only its hash is kept.")
    .requiredOption("--name <name>", "whose it is, for lists and the audit", name)
    .addOption(
      new Option("--scopes <scopes>", `comma-separated: ${SCOPES.join(", ")}`)
        .makeOptionMandatory()
        .argParser(scopes),
    )
    .addOption(
      new Option("--account <account>", "the only account it sees (default: a key of the fleet)").argParser(
        account,
      ),
    )
    .addOption(
      new Option("--days <n>", "valid for so long (default: until revoked)").argParser(
        wholeNumber(1, MOST_DAYS),
      ),
    )
    .option("--json", "print the key with its properties as JSON", false)
    .action(async (wanted: Wanted) => {
      const { withStore } = await import("../configured.ts");
      const { createApiKey } = await import("../../store/api-keys.ts");
      const { redisNow } = await import("../../store/redis.ts");
      const { checkNewKey } = await import("../../desk/check-new-key.ts");
      const of = { name: wanted.name, account: wanted.account ?? null, scopes: wanted.scopes };
      checkNewKey(of);
      const { key, text } = await withStore(loadConfig(), async (store) => {
        const expiresAt = wanted.days === undefined ? null : (await redisNow(store)) + wanted.days * DAY_MS;
        return createApiKey(store, { ...of, expiresAt, by: "the command line" });
      });
      output.data({ ...key, key: text }, () => [text]);
      if (!output.json)
        output.talk(`Keep it now; it is not shown again. Revoke it with: report-fleet keys revoke ${key.id}`);
    });
}

function listCommand({ output }: Terminal): Command {
  return new Command("ls")
    .description("Lists the keys, revoked ones too, the newest first.")
    .option("--json", 'print {"data": […]}', false)
    .action(async () => {
      const { withStore } = await import("../configured.ts");
      const { listApiKeys } = await import("../../store/api-keys.ts");
      const keys = await withStore(loadConfig(), (store) => listApiKeys(store, MOST_KEYS));
      output.list(keys, KEY_COLUMNS);
    });
}

const KEY_COLUMNS = [
  { title: "id", value: (key: ApiKey) => key.id },
  { title: "name", value: (key: ApiKey) => printable(key.name) },
  { title: "account", value: (key: ApiKey) => key.account ?? "(fleet)" },
  { title: "scopes", value: (key: ApiKey) => key.scopes.join(",") },
  { title: "expires", value: (key: ApiKey) => day(key.expiresAt) },
  { title: "last used", value: (key: ApiKey) => day(key.lastUsedAt) },
  { title: "revoked", value: (key: ApiKey) => day(key.revokedAt) },
];

function revokeCommand({ output }: Terminal): Command {
  return new Command("revoke")
    .description("Refuses a key from its next request on, on every process.")
    .argument("<id>", "the key's id, the part after rf_; not the key itself")
    .requiredOption("--by <name>", "who revokes it", name)
    .option("--json", "print the result as JSON", false)
    .action(async (id: string, { by }: { by: string }) => {
      if (!isKeyId(id))
        throw new FleetError(
          "usage",
          "A key's id has 16 hexadecimal digits; `report-fleet keys ls` lists them.",
        );
      const { withStore } = await import("../configured.ts");
      const { revokeApiKey } = await import("../../store/api-keys.ts");
      const outcome = await withStore(loadConfig(), (store) => revokeApiKey(store, id, by));
      if (outcome === "unknown") throw new FleetError("not_found", `There is no key ${id}.`);
      output.data({ id, revoked: true, repeated: outcome === "revoked_before" }, () => [
        ...table([{ id }], [{ title: "revoked", value: (row) => row.id }]),
      ]);
    });
}

function name(text: string): string {
  const said = printable(text).trim();
  if (said === "" || said.length > LONGEST_NAME)
    throw new InvalidArgumentError(`Expected a name of 1 to ${LONGEST_NAME} characters.`);
  return said;
}

function scopes(text: string): Scope[] {
  const names = text.split(",").map((one) => one.trim());
  const known = SCOPES.filter((scope) => names.includes(scope));
  if (known.length === 0 || names.some((one) => !(SCOPES as readonly string[]).includes(one)))
    throw new InvalidArgumentError(
      `Expected one or more of ${SCOPES.join(", ")}; ${SCOPES_OF_THE_FLEET.join(" and ")} without an account only.`,
    );
  return known;
}

function day(at: number | null): string {
  return at === null ? "" : new Date(at).toISOString().slice(0, 16).replace("T", " ");
}
