/** Who this process is, in a way that lets a neighbour on the same host see for certain that it is gone. */
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { packageVersion } from "../config/package-version.ts";
import type { ProcessIdentity, ProcessRecord } from "../store/processes.ts";

export function identifyProcess(roles: readonly string[]): ProcessIdentity {
  const started = startedTicks(process.pid) ?? "";
  return {
    id: `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    pid: process.pid,
    home: home(),
    started,
    roles: roles.join(","),
    version: packageVersion(),
  };
}

/**
 * True only where it is certain: the process lived on this host, in this boot and in this pid namespace, and its pid is
 * free or belongs to another process by now. Any doubt is false; then its silence decides.
 */
export function isCertainlyGone(record: ProcessRecord, home_ = home()): boolean {
  if (record.home !== home_ || record.pid <= 0) return false;
  const started = startedTicks(record.pid);
  if (started !== null) return record.started !== "" && started !== record.started;
  try {
    process.kill(record.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Containers share a host's boot but not its pids, so the pid namespace is part of the home. */
function home(): string {
  return [hostname(), readOr("/proc/sys/kernel/random/boot_id"), linkOr("/proc/self/ns/pid")].join("/");
}

/** Field 22 of `/proc/<pid>/stat`; null where there is no such process or no such file system. A zombie counts as gone. */
function startedTicks(pid: number): string | null {
  const stat = readOr(`/proc/${pid}/stat`);
  if (stat === "") return null;
  // The command's name may hold spaces and brackets; what follows its last bracket is regular.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return "gone";
  return fields[19] ?? null;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function linkOr(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
