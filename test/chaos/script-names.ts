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
  /** The lines that a script's text has for itself, by its name. */
  readonly #marks = new Map<ScriptName, string>();
  readonly #bySha = new Map<string, ScriptName>();

  constructor(sources: string) {
    for (const file of globSync("*.ts", { cwd: join(sources, "src/store") })) {
      const text = readFileSync(join(sources, "src/store", file), "utf8");
      for (const [, constant, body = ""] of text.matchAll(
        /^const ([A-Z_]+) = (?:starting|saving)Script\(`([^`]*)`/gm,
      )) {
        const mark = body.split("\n").find((line) => line.startsWith("-- KEYS"));
        if (mark !== undefined) this.#marks.set(`${basename(file, ".ts")}/${constant}`, mark);
      }
    }
  }

  /** Throws for a name that the sources do not have, or a fault would wait for it in vain. */
  require(name: ScriptName): ScriptName {
    if (!this.#marks.has(name))
      throw new Error(
        `The sources have no script ${name}; there are ${[...this.#marks.keys()].sort().join(", ")}.`,
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
    const text = code.toString("utf8");
    const sha = createHash("sha1").update(code).digest("hex");
    for (const [name, mark] of this.#marks) if (text.includes(`\n${mark}\n`)) this.#bySha.set(sha, name);
    return this.#bySha.get(sha) ?? null;
  }
}
