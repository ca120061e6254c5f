import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { WebhookDelivery, WebhookEndpoint } from "../../domain/webhook.ts";
import type { Terminal } from "../command.ts";
import { account, wholeNumber } from "../options.ts";
import { printable } from "../printable.ts";

const MOST_CREDITS = 1_000_000_000;

export function webhooksCommand(terminal: Terminal): Command {
  const webhooks = new Command("webhooks").summary(
    "tell other services what happens, and look at what they were told",
  );
  for (const declare of [add, ls, rm, rotate, enable, deliveries, replay, warn])
    webhooks.addCommand(declare(terminal), { isDefault: declare === ls });
  return webhooks;
}

function add({ output }: Terminal): Command {
  return new Command("add")
    .description(
      "Adds an endpoint; it hears what happens from now on. Its secret is printed once, here: the receiver verifies with it.",
    )
    .argument("<url>", "https, port 443 or 8443, a public address")
    .addOption(new Option("--account <account>", "hears of this account only").argParser(account))
    .option("--events <events>", "comma-separated; without it all that it may hear")
    .requiredOption("--by <name>", "who adds it")
    .option("--json", "print the endpoint as JSON", false)
    .action(async (url: string, options: { account?: string; events?: string; by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { registerWebhook } = await import("../../webhooks/register-webhook.ts");
      const config = loadConfig();
      const added = await withStore(config, (store) =>
        registerWebhook(
          store,
          {
            account: options.account ?? null,
            url,
            events: options.events?.split(",").map((event) => event.trim()),
            by: options.by,
          },
          config.allowPrivateWebhooks,
        ),
      );
      output.data(added, () => [added.id, added.secret]);
      output.talk("Keep the secret now; it is not shown again.");
    });
}

function ls({ output }: Terminal): Command {
  return new Command("ls")
    .description("Lists the endpoints and whether they are told anything.")
    .addOption(new Option("--account <account>", "of this account only").argParser(account))
    .option("--json", 'print {"data": […]}', false)
    .action(async (options: { account?: string }) => {
      const { withStore } = await import("../configured.ts");
      const { listWebhooks } = await import("../../store/webhooks.ts");
      const endpoints = await withStore(loadConfig(), (store) => listWebhooks(store, options.account));
      output.list(
        endpoints.map(({ secrets, ...shown }) => ({ ...shown, secrets: secrets.length })),
        [
          { title: "endpoint", value: (row) => row.id },
          { title: "account", value: (row) => row.account ?? "(all)" },
          { title: "url", value: (row) => printable(row.url) },
          { title: "state", value: stateOf },
          { title: "events", value: (row) => row.events.join(",") },
        ],
      );
    });
}

function stateOf({ state }: Pick<WebhookEndpoint, "state">): string {
  if (state.status === "disabled") return `disabled: ${state.because}`;
  return state.failingSince === null ? "enabled" : `failing since ${time(state.failingSince)}`;
}

function rm({ output }: Terminal): Command {
  return new Command("rm")
    .description("Removes an endpoint with everything that was to be sent there.")
    .argument("<endpoint>")
    .option("--by <name>", "who does it, for the audit", "command line")
    .option("--json", "print the result as JSON", false)
    .action(async (endpoint: string, { by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { removeWebhook } = await import("../../store/webhooks.ts");
      const { requireWebhook } = await import("../../webhooks/register-webhook.ts");
      await withStore(loadConfig(), async (store) => {
        await requireWebhook(store, endpoint);
        await removeWebhook(store, endpoint, by);
      });
      output.data({ id: endpoint, removed: true }, () => [`${endpoint} is removed.`]);
    });
}

function rotate({ output }: Terminal): Command {
  return new Command("rotate")
    .description(
      "Makes a new secret and prints it once. The old one signs beside it for a day. `callback.ACCOUNT` is what signs the callbacks of an account's orders.",
    )
    .argument("<endpoint>")
    .option("--by <name>", "who does it, for the audit", "command line")
    .option("--json", "print the secret as JSON", false)
    .action(async (endpoint: string, { by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { renewSecret } = await import("../../webhooks/register-webhook.ts");
      const config = loadConfig();
      const secret = await withStore(config, (store) =>
        renewSecret(store, endpoint, config.durations.webhookRotateMs, by),
      );
      output.data({ id: endpoint, secret }, () => [secret]);
      output.talk("Keep the secret now; it is not shown again.");
    });
}

function enable({ output }: Terminal): Command {
  return new Command("enable")
    .description(
      "Tells an endpoint again that was disabled because it failed. What it missed is sent by `replay`.",
    )
    .argument("<endpoint>")
    .option("--by <name>", "who does it, for the audit", "command line")
    .option("--json", "print the result as JSON", false)
    .action(async (endpoint: string, { by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { enableWebhook } = await import("../../store/webhooks.ts");
      const { requireWebhook } = await import("../../webhooks/register-webhook.ts");
      await withStore(loadConfig(), async (store) => {
        await requireWebhook(store, endpoint);
        await enableWebhook(store, endpoint, by);
      });
      output.data({ id: endpoint, status: "enabled" }, () => [`${endpoint} is enabled.`]);
    });
}

function deliveries({ output }: Terminal): Command {
  return new Command("deliveries")
    .description(
      "Lists what an endpoint was sent and what it answered; what is still on its way comes first.",
    )
    .argument("<endpoint>")
    .addOption(new Option("--limit <n>", "at most so many").default(50).argParser(wholeNumber(1, 500)))
    .option("--json", 'print {"data": […]}', false)
    .action(async (endpoint: string, { limit }: { limit: number }) => {
      const { withStore } = await import("../configured.ts");
      const { listDeliveries } = await import("../../store/webhook-deliveries.ts");
      const { requireWebhook } = await import("../../webhooks/register-webhook.ts");
      const rows = await withStore(loadConfig(), async (store) => {
        await requireWebhook(store, endpoint);
        return listDeliveries(store, endpoint, limit);
      });
      output.list(rows, [
        { title: "delivery", value: (row: WebhookDelivery) => row.id },
        { title: "type", value: (row) => row.type },
        { title: "status", value: (row) => row.status },
        { title: "tries", value: (row) => String(row.attempts), align: "right" },
        { title: "last answer", value: (row) => row.answers.at(-1)?.answer ?? "" },
        { title: "next", value: (row) => (row.nextAt === null ? "" : time(row.nextAt)) },
      ]);
    });
}

function replay({ output }: Terminal): Command {
  return new Command("replay")
    .description("Sends deliveries again under their message id, so a receiver that has them drops them.")
    .argument("[deliveries...]", "as `deliveries` prints them")
    .option("--missed-by <endpoint>", "everything that endpoint never took, oldest first")
    .option("--json", 'print {"data": […]}', false)
    .action(async (ids: string[], { missedBy }: { missedBy?: string }) => {
      if (ids.length === 0 && missedBy === undefined)
        throw new FleetError("usage", "Name deliveries, or an endpoint with --missed-by.");
      const { withStore } = await import("../configured.ts");
      const { replayMissed, replayWebhook } = await import("../../webhooks/replay-webhooks.ts");
      const rows = await withStore(loadConfig(), async (store) => {
        const replayed: { id: string; outcome: "replayed" | "pending" }[] = [];
        for (const id of ids) replayed.push({ id, outcome: await replayWebhook(store, id) });
        if (missedBy !== undefined)
          for (const id of await replayMissed(store, missedBy)) replayed.push({ id, outcome: "replayed" });
        return replayed;
      });
      output.list(rows, [
        { title: "delivery", value: (row) => row.id },
        { title: "outcome", value: (row) => row.outcome },
      ]);
    });
}

function warn({ output }: Terminal): Command {
  return new Command("warn")
    .description(
      "Sets below how many available credits an account's endpoints are told `credits.low`, once per crossing.",
    )
    .addOption(new Option("--account <account>", "whose credits").makeOptionMandatory().argParser(account))
    .addOption(
      new Option("--below <credits>", "0 for no warning")
        .makeOptionMandatory()
        .argParser(wholeNumber(0, MOST_CREDITS)),
    )
    .option("--json", "print the result as JSON", false)
    .action(async ({ account: name, below }: { account: string; below: number }) => {
      const { withStore } = await import("../configured.ts");
      const { warnBelow } = await import("../../store/webhooks.ts");
      await withStore(loadConfig(), (store) => warnBelow(store, name, below === 0 ? null : below));
      output.data({ account: name, below }, () => [
        below === 0 ? `${name} is not warned.` : `${name} is warned below ${below} credits.`,
      ]);
    });
}

function time(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
