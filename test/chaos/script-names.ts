/**
 * Which script a process sends: the fleet's scripts travel by their hash, and by their text the first time. The text is
 * found again in the sources, so that a fault can be aimed at a script by the name that it has there: `calls/BEGIN`.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "./redis-commands.ts";

/** As in the sources: the file below `src/store` and the constant in it. */
export type ScriptName = `${string}/${string}`;

export class ScriptNames {
  /** The lines of code that stand in a script of this name as they are sent; its comments are not. */
  readonly #lines = new Map<ScriptName, string[]>();
  readonly #bySha = new Map<string, ScriptName>();

  constructor(sources: string) {
    for (const file of globSync("*.ts", { cwd: join(sources, "src/store") })) {
      const text = readFileSync(join(sources, "src/store", file), "utf8");
      for (const [, constant, body = ""] of text.matchAll(
        /^const ([A-Z_]+) = (?:starting|saving)Script\(`([^`]*)`/gm,
      )) {
        // Comments are not sent, and what is put together or escaped stands differently in the sources.
        const lines = body.split("\n").filter((line) => !/^\s*(?:--|$)|\$\{|\\/.test(line));
        this.#lines.set(`${basename(file, ".ts")}/${constant}`, lines);
      }
    }
  }

  /** Throws for a name that the sources do not have, or a fault would wait for it in vain. */
  require(name: ScriptName): ScriptName {
    if (!this.#lines.has(name))
      throw new Error(
        `The sources have no script ${name}; there are ${[...this.#lines.keys()].sort().join(", ")}.`,
      );
    return name;
  }

  /** Null for what is no script of ours. */
  of({ words }: Command): ScriptName | null {
    const verb = words[0]?.toString("latin1").toUpperCase();
    const code = words[1];
    if (code === undefined) return null;
    if (verb === "EVALSHA") return this.#bySha.get(code.toString("latin1")) ?? null;
    if (verb !== "EVAL") return null;
    const name = this.#nameOf(new Set(code.toString("utf8").split("\n")));
    if (name !== null) this.#bySha.set(createHash("sha1").update(code).digest("hex"), name);
    return name;
  }

  /** The one with the most lines of those that are there as a whole: a short script may stand in a long one. */
  #nameOf(sent: ReadonlySet<string>): ScriptName | null {
    const whole = [...this.#lines].filter(
      ([, lines]) => lines.length > 0 && lines.every((line) => sent.has(line)),
    );
    return whole.toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0] ?? null;
  }
}
