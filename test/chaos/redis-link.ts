/**
 * The wire between one process and Redis: a TCP proxy that passes every byte on until a fault wants otherwise.
 *
 * It understands what passes well enough to aim: a fault names a script (`call-outcomes/RECORD`) and meets the very command, before
 * or after Redis has it, so a process dies between two steps of its own without knowing of any failpoint.
 */
import { createHash } from "node:crypto";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { CommandReader, type Command } from "./redis-commands.ts";
import type { ScriptName, ScriptNames } from "./script-names.ts";

/** What becomes of a command that a fault is aimed at. */
export type Aim =
  /** Passes untouched; it is only known that it did. */
  | "pass"
  /** Redis never gets it, nor anything behind it; `strike` is what ends the process. */
  | "before"
  /** Redis gets it, and its reply reaches nobody. */
  | "after"
  /** As `after`, and then the connection breaks, so that the client sends it again. */
  | "lose_reply";

export interface Met {
  script: ScriptName;
  command: Command;
}

interface Watch {
  script: ScriptName;
  aim: Aim;
  strike: (met: Met) => void;
}

interface Pair {
  client: Socket;
  upstream: Socket;
  /** Nothing of Redis reaches the client any more. */
  muted: boolean;
  /** Nothing of the client reaches Redis any more. */
  deaf: boolean;
  /** What is held back on its way to the client, and when each may go; in order. */
  held: { at: number; bytes: Buffer }[];
  drain: NodeJS.Timeout | null;
}

export class RedisLink {
  readonly #scripts: ScriptNames;
  readonly #target: () => number;
  readonly #server = createServer((client) => this.#open(client));
  readonly #pairs = new Set<Pair>();
  #watches: Watch[] = [];
  /** Digests of commands whose reply was lost, until they come again. */
  readonly #lost = new Map<string, ScriptName>();
  #latencyMs = 0;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #onReply: ((bytes: Buffer) => void) | null = null;
  /** Commands with a lost reply that came again, by script. */
  readonly resent: ScriptName[] = [];

  /** `target` is the port of the Redis that is the right one by now. */
  constructor(scripts: ScriptNames, target: () => number) {
    this.#scripts = scripts;
    this.#target = target;
  }

  async listen(): Promise<string> {
    await new Promise<void>((ready) => this.#server.listen(0, "127.0.0.1", ready));
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.breakAll();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }

  /** Meets the next command of this script; answers null where none came within the limit. */
  meet(
    script: ScriptName,
    aim: Aim,
    limitMs: number,
    strike: (met: Met) => void = () => undefined,
  ): Promise<Met | null> {
    this.#scripts.require(script);
    return new Promise((resolve) => {
      const give = (met: Met | null) => {
        clearTimeout(timer);
        this.#watches = this.#watches.filter((one) => one !== watch);
        resolve(met);
      };
      const watch: Watch = {
        script,
        aim,
        strike: (met) => {
          strike(met);
          give(met);
        },
      };
      const timer = setTimeout(() => give(null), limitMs);
      this.#watches.push(watch);
    });
  }

  /** Every connection is reset, as by a firewall that has lost its table. */
  breakAll(): number {
    const { size } = this.#pairs;
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    return size;
  }

  /** Connections that are open stay open, and nothing comes back on them. New ones work. The answer ends it. */
  halfOpen(): () => void {
    const muted = [...this.#pairs];
    for (const pair of muted) pair.muted = true;
    return () => {
      for (const { client } of muted) client.resetAndDestroy();
    };
  }

  /** Makes the way back slow; without arguments it is as fast as before. */
  slow(pace: { latencyMs?: number; bytesPerSecond?: number } = {}): void {
    this.#latencyMs = pace.latencyMs ?? 0;
    this.#bytesPerSecond = pace.bytesPerSecond ?? Number.POSITIVE_INFINITY;
  }

  /** Hears every reply while it is set. */
  listenToReplies(hear: ((bytes: Buffer) => void) | null): void {
    this.#onReply = hear;
  }

  #open(client: Socket): void {
    const upstream = connect({ port: this.#target(), host: "127.0.0.1", noDelay: true });
    client.setNoDelay(true);
    const pair: Pair = { client, upstream, muted: false, deaf: false, held: [], drain: null };
    this.#pairs.add(pair);
    const reader = new CommandReader();
    client.on("data", (chunk) => this.#up(pair, reader.read(chunk)));
    upstream.on("data", (chunk) => this.#down(pair, chunk));
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      // What the client has written before its end still reaches Redis, as it would on a wire.
      upstream.end();
    };
    for (const socket of [client, upstream]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  }

  #up(pair: Pair, commands: readonly Command[]): void {
    for (const command of commands) {
      const script = this.#scripts.of(command);
      if (script !== null && this.#lost.size > 0) this.#noteResent(command);
      const watch = script === null ? undefined : this.#watches.find((one) => one.script === script);
      if (script === null || watch === undefined) {
        if (!pair.deaf) pair.upstream.write(command.bytes);
        continue;
      }
      if (watch.aim === "before") pair.deaf = true;
      if (!pair.deaf) pair.upstream.write(command.bytes);
      if (watch.aim !== "pass") pair.muted = true;
      if (watch.aim === "lose_reply") {
        this.#lost.set(digestOf(command), script);
        // Redis has it once it answers; only then is it the reply that is lost, and not the command.
        pair.upstream.once("data", () => pair.client.resetAndDestroy());
      }
      watch.strike({ script, command });
    }
  }

  #noteResent(command: Command): void {
    const digest = digestOf(command);
    const script = this.#lost.get(digest);
    if (script === undefined) return;
    this.#lost.delete(digest);
    this.resent.push(script);
  }

  #down(pair: Pair, chunk: Buffer): void {
    if (pair.muted) return;
    this.#onReply?.(chunk);
    const paced = this.#latencyMs > 0 || this.#bytesPerSecond !== Number.POSITIVE_INFINITY;
    if (!paced && pair.held.length === 0) {
      pair.client.write(chunk);
      return;
    }
    const after = Math.max(performance.now() + this.#latencyMs, pair.held.at(-1)?.at ?? 0);
    pair.held.push({ at: after + (chunk.length / this.#bytesPerSecond) * 1_000, bytes: chunk });
    pair.drain ??= setTimeout(() => drain(pair), this.#latencyMs);
  }
}

/** In order, whatever the timers do: a reply that overtakes another one would be taken for it. */
function drain(pair: Pair): void {
  pair.drain = null;
  const now = performance.now();
  while (pair.held[0] !== undefined && pair.held[0].at <= now) {
    const next = pair.held.shift();
    if (next !== undefined && !pair.muted && !pair.client.destroyed) pair.client.write(next.bytes);
  }
  const [next] = pair.held;
  if (next !== undefined) pair.drain = setTimeout(() => drain(pair), Math.ceil(next.at - now));
}

/** Without the script itself, which may travel by its hash at first and by its text the second time. */
function digestOf({ words }: Command): string {
  const hash = createHash("sha1");
  for (const word of words.slice(2)) hash.update(`${word.length}:`).update(word);
  return hash.digest("hex");
}
