/**
 * Keeps paid answers that the store does not take right now: in memory while the process lives, and after a moment also
 * in a file that only the owner may read, flushed to disk. A restarted worker saves them before it takes new work.
 *
 * Recording is not fenced and set once, so a spooled answer may be saved by anybody, any number of times, at any time.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Answer } from "../domain/call.ts";
import type { ReportId } from "../domain/ids.ts";
import { recordAnswer, type Recorded } from "../store/call-outcomes.ts";
import type { Asking } from "../store/calls.ts";
import type { Store } from "../store/redis.ts";
import { isKnownForm } from "../store/version.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** One answer and everything `record` needs to book it, whoever does. */
interface Spooled {
  v: 1;
  report: ReportId;
  section: string;
  asking: Asking;
  answer: Answer;
}

export class Spool {
  readonly #dir: string | null;
  readonly #onTrouble: (unsaved: number) => void;
  #unsaved = 0;

  /** Without a directory answers are kept in memory only. `onTrouble` hears how many answers wait to be saved. */
  constructor(dir: string | null, onTrouble: (unsaved: number) => void) {
    this.#dir = dir;
    this.#onTrouble = onTrouble;
  }

  /** Saves an answer, however long it takes; only the end of the process ends the trying, and then the file stays. */
  async record(
    store: Store,
    of: { report: ReportId; section: string; asking: Asking; process: string },
    answer: Answer,
    options: { spoolAfterMs: number; signal: AbortSignal },
  ): Promise<Recorded> {
    const { signal } = options;
    let file: string | null = null;
    let late = false;
    const keep = () => {
      file ??= this.#write({ v: 1, report: of.report, section: of.section, asking: of.asking, answer });
    };
    const timer = setTimeout(() => {
      late = true;
      this.#unsaved += 1;
      this.#onTrouble(this.#unsaved);
      keep();
    }, options.spoolAfterMs);
    // At once and not when the try fails: a command to a Redis that is away may outlive the process.
    signal.addEventListener("abort", keep, { once: true });
    try {
      for (let waitMs = FIRST_PAUSE_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_PAUSE_MS)) {
        try {
          const recorded = await recordAnswer(store, of, of.asking, answer, of.process);
          if (file !== null) rmSync(file, { force: true });
          return recorded;
        } catch (error) {
          if (signal.aborted) {
            keep();
            throw error;
          }
          await pause(waitMs, undefined, { signal }).catch(() => undefined);
        }
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", keep);
      if (late) {
        this.#unsaved -= 1;
        this.#onTrouble(this.#unsaved);
      }
    }
  }

  /** Books what an earlier process could not save. Answers how many there were. */
  async drain(store: Store, process: string): Promise<number> {
    if (this.#dir === null) return 0;
    let saved = 0;
    for (const name of this.#files()) {
      const path = join(this.#dir, name);
      const spooled = readSpooled(path);
      // Replicas of one pool share the directory, and another one was faster. Or it is a newer release's; its own workers save it.
      if (spooled === null || !isKnownForm(spooled.v)) continue;
      await recordAnswer(store, spooled, spooled.asking, spooled.answer, process);
      rmSync(path, { force: true });
      saved += 1;
    }
    return saved;
  }

  #files(): string[] {
    try {
      return readdirSync(this.#dir ?? "").filter((name) => name.endsWith(".answer.json"));
    } catch {
      return [];
    }
  }

  /** Null where there is no directory or no room in it; then the answer is kept in memory only. */
  #write(spooled: Spooled): string | null {
    if (this.#dir === null) return null;
    try {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
      const path = join(this.#dir, `${spooled.asking.askId}.answer.json`);
      writeDurably(path, JSON.stringify(spooled));
      return path;
    } catch {
      return null;
    }
  }
}

/** Under another name until it is whole: a half-written file is never taken for an answer. */
function writeDurably(path: string, text: string): void {
  const handle = openSync(`${path}.part`, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${path}.part`, path);
}

/** Removes what was kept for these reports in a spool of this host; another host's worker drops it when it starts. */
export function eraseSpooled(dir: string | null, reports: readonly ReportId[]): void {
  if (dir === null) return;
  const erased = new Set(reports);
  for (const path of spoolFiles(dir)) {
    const spooled = readSpooled(path);
    if (spooled !== null && erased.has(spooled.report)) rmSync(path, { force: true });
  }
}

/** Paid answers of an earlier process that wait to be saved, half-written ones among them. */
export function spoolFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.includes(".answer.json"))
      .map((name) => join(dir, name));
  } catch {
    return [];
  }
}

/** Null where it is gone, or not whole yet. */
function readSpooled(path: string): Spooled | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Spooled;
  } catch {
    return null;
  }
}
