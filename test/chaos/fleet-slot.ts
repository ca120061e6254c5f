/**
 * A place in the fleet that is always taken by one process: the command a team would use, with its own link to Redis and
 * its own spool. Each start is another incarnation, and witnesses speak of incarnations: `w2.3` is the third in `w2`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ToProcess } from "./processes/preload.ts";
import { RedisLink } from "./redis-link.ts";
import type { ScriptNames } from "./script-names.ts";
import type { ProcessRow } from "./witnesses.ts";

const PRELOAD = fileURLToPath(new URL("./processes/preload.ts", import.meta.url));
const READY_MS = 120_000;

export interface SlotSettings {
  name: string;
  role: "api" | "orchestrator" | "worker";
  /** Where the product lies that runs here: this clone, or a copy with a planted bug. */
  sources: string;
  dir: string;
  env: NodeJS.ProcessEnv;
  scripts: ScriptNames;
  redisPort: () => number;
  note: (row: Omit<ProcessRow, "at">) => void;
}

export class FleetSlot {
  readonly name: string;
  readonly role: SlotSettings["role"];
  readonly link: RedisLink;
  /** A fault has it in hand, and the others leave it alone. */
  borrowed = false;
  readonly #settings: SlotSettings;
  #count = 0;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #expected = false;
  #processId: string | null = null;
  /** Of the processes to come; a rolling restart raises it. */
  typeVersion = 1;

  constructor(settings: SlotSettings) {
    this.#settings = settings;
    this.name = settings.name;
    this.role = settings.role;
    this.link = new RedisLink(settings.scripts, settings.redisPort);
  }

  /** Of the process that runs, or ran last. */
  get incarnation(): string {
    return `${this.name}.${this.#count}`;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  /** By which the fleet's registry knows the process that runs; null while it is not up. */
  get processId(): string | null {
    return this.running ? this.#processId : null;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run.`);
    return pid;
  }

  get ended(): Promise<void> {
    return this.#ended;
  }

  #url: string | null = null;

  async start(): Promise<void> {
    const { sources, dir, env, role, note } = this.#settings;
    this.#url ??= await this.link.listen();
    this.#count += 1;
    this.#processId = null;
    this.#expected = false;
    const name = this.incarnation;
    const child = spawn(
      process.execPath,
      ["--import", PRELOAD, join(sources, "bin/report-fleet.js"), "start", "--roles", role],
      {
        env: {
          ...process.env,
          ...env,
          REDIS_URL: this.#url,
          DATA_DIR: join(dir, this.name),
          CHAOS_NAME: name,
          CHAOS_TYPE_VERSION: String(this.typeVersion),
        },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      },
    );
    this.#child = child;
    child.stderr?.pipe(createWriteStream(join(dir, `${this.name}.log`), { flags: "a" }));
    child.stderr?.on("data", (bytes: Buffer) => {
      // An operator who reads this looks at its settings and starts it again; here the settings are well.
      if (bytes.includes("This process withdraws") && this.#child === child) this.signal("SIGTERM");
    });
    note({ process: name, happened: "started", code: null, signal: null, expected: true });
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#child === child) this.#child = null;
        note({ process: name, happened: "ended", code, signal, expected: this.#expected });
        resolve();
      });
    });
    await this.#ready(child);
  }

  async #ready(child: ChildProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${this.incarnation} is not up within ${READY_MS} ms.`)),
        READY_MS,
      );
      child.stdout?.once("data", (line: Buffer) => {
        clearTimeout(late);
        this.#processId = line.toString("utf8").trim();
        resolve();
      });
      child.once("exit", () => {
        clearTimeout(late);
        reject(new Error(`${this.incarnation} ended before it was up; see ${this.name}.log.`));
      });
    });
  }

  /** Sends a signal that ends it, or that it lives on with. */
  signal(signal: NodeJS.Signals): void {
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#expected = true;
    if (this.#child?.pid !== undefined) process.kill(this.#child.pid, signal);
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.signal(signal);
    await this.#ended;
  }

  /** To the preload in it; resolves once it is done, or the process is gone. */
  async wish(wish: ToProcess): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        child.off("message", done).off("exit", done);
        resolve();
      };
      child.once("message", done).once("exit", done);
      child.send(wish, () => undefined);
    });
  }
}
