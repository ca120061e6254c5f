/**
 * Installs a Debian package without letting it start or enable its system service.
 *
 * Debian starts a service as soon as its package is unpacked, unless /usr/sbin/policy-rc.d forbids it. So a policy of
 * ours stands there meanwhile; the machine's own, if any, is set aside and put back. A killed installation leaves both
 * behind: the next one recognises its own policy by the mark and tidies up first.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { runQuietly } from "./run-quietly.ts";

const POLICY = "/usr/sbin/policy-rc.d";
const SET_ASIDE = `${POLICY}.before-report-fleet`;
const MARK = "# report-fleet: no service starts while its package is installed";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `service` is the package's own, which is not to start with the machine's next boot either. */
export async function installWithApt(
  args: readonly string[],
  service: string | null = null,
): Promise<{ code: number; output: string }> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Somebody else's apt (unattended upgrades on a fresh machine) may hold dpkg's lock for a while.
  const apt = (...rest: readonly string[]): Promise<{ code: number; output: string }> =>
    runQuietly("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=120", ...rest], env);

  // A stale package list names files the mirror no longer has. Should updating fail, installing may still work.
  await apt("update");

  let interrupted = false;
  const wait = (): void => {
    interrupted = true;
  };
  // An interrupt must not leave our policy behind; apt itself gets Ctrl-C and ends, and so do we after tidying.
  for (const signal of SIGNALS) process.on(signal, wait);
  forbidServices();
  try {
    const ended = await apt("--no-install-recommends", ...args);
    if (service !== null) await disableService(service);
    return ended;
  } finally {
    restoreServices();
    for (const signal of SIGNALS) process.off(signal, wait);
    if (interrupted) process.exit(130);
  }
}

function forbidServices(): void {
  restoreServices();
  if (existsSync(POLICY)) renameSync(POLICY, SET_ASIDE);
  writeFileSync(POLICY, `#!/bin/sh\n${MARK}\nexit 101\n`, { mode: 0o755 });
}

function restoreServices(): void {
  if (existsSync(POLICY) && readFileSync(POLICY, "utf8").includes(MARK)) rmSync(POLICY);
  if (existsSync(SET_ASIDE)) renameSync(SET_ASIDE, POLICY);
}

/** Or it would start with the machine's next boot. Both init systems are told; a missing one is no matter. */
async function disableService(name: string): Promise<void> {
  await runQuietly("systemctl", ["disable", name]);
  await runQuietly("update-rc.d", [name, "disable"]);
}
