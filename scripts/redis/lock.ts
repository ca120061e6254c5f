/**
 * One process at a time, across processes: a file created exclusively, holding its owner's process id.
 *
 * A dead owner's lock is broken. Two waiters may see the same dead owner at the same instant and both break it; that
 * window of microseconds is accepted, since these locks guard set-up steps and not money.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const POLL_MS = 100;

export async function withLock<T>(file: string, waitMs: number, run: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + waitMs;
  while (!tryLock(file)) {
    if (Date.now() > giveUpAt) {
      throw new Error(
        `${file} has been held for ${waitMs / 1000} s by process ${ownerOf(file) ?? "?"}; end it or remove the file.`,
      );
    }
    await pause(POLL_MS);
  }
  try {
    return await run();
  } finally {
    rmSync(file, { force: true });
  }
}

function tryLock(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const owner = ownerOf(file);
  if (owner !== null && !isAlive(owner)) rmSync(file, { force: true });
  return false;
}

function ownerOf(file: string): number | null {
  try {
    // Empty for the instant between the owner's create and its write.
    return Number(readFileSync(file, "utf8")) || null;
  } catch {
    return null;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
