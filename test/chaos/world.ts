/**
 * Everything that runs in a run, and what faults may do to it: real processes, each with its own link to Redis. A process
 * that ends is started again after a moment, as a service manager does, so a fault only has to hit.
 */
import { fork, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/cli/free-port.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { openStore, type Store } from "../../src/store/redis.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { FleetSlot } from "./fleet-slot.ts";
import { ACCOUNTS, CREDITS, TIME_SCALE, type Plan, type PlannedOrder } from "./plan.ts";
import type { ClientSettings, FromClient, ToClient } from "./processes/client.ts";
import type { FromProvider } from "./processes/provider.ts";
import type { ToReceiver } from "./processes/receiver.ts";
import { ChaosRedis } from "./redis-server.ts";
import type { RedisLink } from "./redis-link.ts";
import { ScriptNames } from "./script-names.ts";
import { writeDown, type FaultRow, type ProcessRow } from "./witnesses.ts";

export const FLEET = "chaos";
/** A canary: it opens the provider, and turns up nowhere. */
export const PROVIDER_KEY = "sk-chaos-4f1c9e7b2a60";
const RESTART_AFTER_MS = 400;
const COMPILED = fileURLToPath(new URL("../../node_modules/.cache/chaos", import.meta.url));
const LATENCY = { firstByteMs: [150, 500], perTokenMs: 0.2 } as const;

export interface WitnessFiles {
  provider: string;
  client: string;
  receiver: string;
  faults: string;
  processes: string;
  killings: string;
  samples: string;
  memory: string;
}

export interface WorldSettings {
  plan: Plan;
  dir: string;
  /** The root of the product that runs. */
  sources: string;
  workers: number;
  apis: number;
}

export class World {
  readonly settings: WorldSettings;
  readonly witness: WitnessFiles;
  readonly redis: ChaosRedis;
  readonly slots: FleetSlot[] = [];
  /** The supervisor's own sight of the store, past every link. */
  readonly store: Store;
  readonly secrets: string[] = [PROVIDER_KEY];
  readonly #scripts: ScriptNames;
  readonly #inFlight = new Map<string, number>();
  readonly #helpers: ChildProcess[] = [];
  #workersAdded = 0;
  #stopping = false;
  #providerUrl = "";
  #client: ChildProcess | null = null;
  progress: FromClient = { accepted: 0, unsettled: [], finished: false };

  private constructor(settings: WorldSettings, redis: ChaosRedis) {
    this.settings = settings;
    this.redis = redis;
    const file = (name: string) => join(settings.dir, `${name}.jsonl`);
    this.witness = {
      provider: file("provider"),
      client: file("client"),
      receiver: file("receiver"),
      faults: file("faults"),
      processes: file("processes"),
      killings: file("killings"),
      samples: file("samples"),
      memory: file("memory"),
    };
    this.#scripts = new ScriptNames(settings.sources);
    this.store = openStore(redis.connect(), FLEET);
  }

  static async open(settings: WorldSettings): Promise<World> {
    const world = new World(settings, await ChaosRedis.start(settings.dir));
    try {
      await world.#start();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async #start(): Promise<void> {
    const { plan, dir } = this.settings;
    const provider = this.#helper("provider", [
      JSON.stringify({
        seed: plan.seed,
        faults: plan.rules,
        latency: LATENCY,
        ledgerFile: this.witness.provider,
      }),
    ]);
    provider.on("message", (message: FromProvider) => {
      if ("by" in message)
        this.#inFlight.set(message.by, (this.#inFlight.get(message.by) ?? 0) + message.change);
    });
    const receiver = this.#helper("receiver", [this.witness.receiver, String(plan.seed)]);
    const [{ url: providerUrl }, { url: receiverUrl }] = await Promise.all([
      firstMessage<{ url: string }>(provider),
      firstMessage<{ url: string }>(receiver),
    ]);
    this.#providerUrl = providerUrl;

    const keys = await this.#openAccounts();
    const ports = await Promise.all(Array.from({ length: this.settings.apis }, () => freePort()));
    for (const [index, port] of ports.entries())
      this.#addSlot(`a${index + 1}`, "api", { PORT: String(port) });
    this.#addSlot("o1", "orchestrator");
    for (let n = 1; n <= this.settings.workers; n++) this.#addSlot(`w${n}`, "worker");
    await Promise.all(this.slots.map((slot) => slot.start()));
    for (const slot of this.slots) void this.#keepRunning(slot);

    const apis = ports.map((port) => `http://127.0.0.1:${port}`);
    await this.#registerWebhooks(apis[0] ?? "", keys["fleet"] ?? "", receiver, receiverUrl);
    const planFile = join(dir, "plan.json");
    writeFileSync(planFile, JSON.stringify(plan));
    const client = {
      planFile,
      witness: this.witness.client,
      apis,
      keys,
      secrets: this.secrets,
    } satisfies ClientSettings;
    this.#client = this.#helper("client", [JSON.stringify(client)]);
    this.#client.on("message", (message: FromClient) => {
      this.progress = message;
    });
  }

  async #openAccounts(): Promise<Record<string, string>> {
    const keys: Record<string, string> = {};
    for (const account of ACCOUNTS) {
      await grantCredits(this.store, { account, credits: CREDITS[account], reference: `deposit-${account}` });
      const scopes = ["reports:read", "reports:write"] as const;
      keys[account] = await this.#newKey(account, account, scopes);
    }
    keys["fleet"] = await this.#newKey("operator", null, ["admin"]);
    return keys;
  }

  async #newKey(
    name: string,
    account: string | null,
    scopes: Parameters<typeof createApiKey>[1]["scopes"],
  ): Promise<string> {
    const { text } = await createApiKey(this.store, { name, account, scopes, expiresAt: null, by: "chaos" });
    this.secrets.push(text);
    return text;
  }

  async #registerWebhooks(api: string, key: string, receiver: ChildProcess, url: string): Promise<void> {
    for (const account of [...ACCOUNTS, null]) {
      const endpoint = account ?? "fleet";
      const response = await fetch(`${api}/v1/webhooks`, {
        method: "POST",
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body: JSON.stringify({ url: `${url}/${endpoint}`, ...(account === null ? {} : { account }) }),
      });
      if (response.status !== 201) throw new Error(`No webhook for ${endpoint}: ${await response.text()}`);
      const { secret } = (await response.json()) as { secret: string };
      this.secrets.push(secret);
      receiver.send({ endpoint, secret } satisfies ToReceiver);
    }
  }

  #addSlot(name: string, role: FleetSlot["role"], env: NodeJS.ProcessEnv = {}): FleetSlot {
    const slot = new FleetSlot({
      name,
      role,
      sources: this.settings.sources,
      dir: this.settings.dir,
      scripts: this.#scripts,
      redisPort: () => this.redis.port,
      note: (row) => writeDown(this.witness.processes, { at: Date.now(), ...row } satisfies ProcessRow),
      env: {
        FLEET,
        REPORT_TYPES: join(this.settings.sources, "test/chaos/report-types.ts"),
        CHAOS_KILLINGS: this.witness.killings,
        TIME_SCALE: String(TIME_SCALE),
        CONCURRENCY: "6",
        LOG_LEVEL: "info",
        ALLOW_PRIVATE_WEBHOOKS: "true",
        API_REQUESTS_PER_MINUTE: "1000000",
        PORT: "0",
        // Processes are started dozens of times here; what was compiled once need not be compiled again.
        NODE_COMPILE_CACHE: COMPILED,
        ...(role === "worker" ? this.#providerEnv() : {}),
        ...env,
      },
    });
    this.slots.push(slot);
    return slot;
  }

  #providerEnv(): NodeJS.ProcessEnv {
    return {
      OPENAI_BASE_URL: this.#providerUrl,
      OPENAI_API_KEY: PROVIDER_KEY,
      OPENAI_MODEL: SIMULATED_MODELS[0],
    };
  }

  /** One more worker, for as long as the fault wants it; no witness takes it for the one of an earlier deploy. */
  async addWorker(): Promise<FleetSlot> {
    this.#workersAdded += 1;
    const slot = this.#addSlot(`w${this.settings.workers + this.#workersAdded}`, "worker");
    await slot.start();
    return slot;
  }

  async #keepRunning(slot: FleetSlot): Promise<void> {
    while (!this.#stopping) {
      await slot.ended;
      await pause(RESTART_AFTER_MS);
      if (!this.#stopping) await slot.start().catch(() => undefined);
    }
  }

  #helper(name: string, args: readonly string[]): ChildProcess {
    const path = fileURLToPath(new URL(`./processes/${name}.ts`, import.meta.url));
    const child = fork(path, [...args], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#helpers.push(child);
    return child;
  }

  /** From now on the provider answers everything well. */
  async healProvider(): Promise<void> {
    await fetch(new URL("/_simulated/faults", this.#providerUrl), { method: "POST", body: "[]" });
  }

  tellClient(message: ToClient): void {
    this.#client?.send(message);
  }

  order(order: PlannedOrder): void {
    this.tellClient({ order });
  }

  /** Requests that the provider has from a process right now. */
  inFlight(incarnation: string): number {
    return this.#inFlight.get(incarnation) ?? 0;
  }

  allInFlight(): number {
    return [...this.#inFlight.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A process of the role that runs and is in nobody's hands; it is the caller's until it gives it back. */
  borrow(role: FleetSlot["role"], random: () => number): FleetSlot | null {
    const free = this.slots.filter((slot) => slot.role === role && slot.processId !== null && !slot.borrowed);
    const slot = free[Math.floor(random() * free.length)];
    if (slot === undefined) return null;
    slot.borrowed = true;
    return slot;
  }

  links(): RedisLink[] {
    return this.slots.map(({ link }) => link);
  }

  note(row: FaultRow): void {
    writeDown(this.witness.faults, row);
  }

  /** Ends the fleet as an operator would, so that what is left in Redis is what it means to leave. */
  async stopFleet(): Promise<void> {
    this.#stopping = true;
    const hard = setTimeout(() => this.slots.forEach((slot) => slot.signal("SIGKILL")), 30_000);
    await Promise.all(this.slots.map(async (slot) => (slot.running ? slot.end("SIGTERM") : undefined)));
    clearTimeout(hard);
  }

  /** After a fail-over the supervisor's own sight is of the new Redis, and so is what a fault has asked meanwhile. */
  lookAgain(): void {
    const { redis } = this.store;
    redis.options.port = this.redis.port;
    redis.disconnect(true);
  }

  async close(): Promise<void> {
    this.#stopping = true;
    for (const slot of this.slots) if (slot.running) await slot.end("SIGKILL");
    for (const helper of this.#helpers) helper.kill("SIGKILL");
    await Promise.all(this.slots.map(({ link }) => link.close().catch(() => undefined)));
    this.store.redis.disconnect();
    await this.redis.stop();
  }
}

function firstMessage<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    const hear = (message: unknown) => {
      if (typeof message !== "object" || message === null || !("url" in message)) return;
      child.off("message", hear);
      resolve(message as Message);
    };
    child.on("message", hear);
    child.once("exit", (code) => reject(new Error(`A witness ended with ${String(code)} before it was up.`)));
  });
}
