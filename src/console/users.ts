/**
 * Who may sign in, as a deployment says it: one person a line, `<name>:<role>:<password hash>`, from CONSOLE_USERS or the
 * file CONSOLE_USERS_FILE. `report-fleet console hash` prints such a line. Empty lines and lines with # are passed over.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "../config.ts";
import { FleetError } from "../domain/fleet-error.ts";
import {
  PERSON_NAME,
  PERSON_NAME_RULE,
  PERSON_ROLES,
  type Person,
  type PersonRole,
} from "../domain/person.ts";
import { isPasswordHash } from "./password.ts";

export interface User extends Person {
  passwordHash: string;
  /** Changes with the password, and ends the sessions that began with the old one. */
  proof: string;
}

export type Users = ReadonlyMap<string, User>;

export function loadUsers({ users, usersFile }: Config["console"]): Users {
  const listed = new Map<string, User>();
  for (const [text, where] of [
    [users, "CONSOLE_USERS"],
    [usersFile === null ? null : readUsersFile(usersFile), `the file ${usersFile} (CONSOLE_USERS_FILE)`],
  ] as const) {
    for (const [index, line] of (text ?? "").split(/[\n,]/).entries()) {
      if (line.trim() === "" || line.trim().startsWith("#")) continue;
      const user = parseUser(line.trim(), `Line ${index + 1} of ${where}`);
      if (listed.has(user.name))
        throw new FleetError(
          "usage",
          `${where} names "${user.name}", who is named before. Keep one line each.`,
        );
      listed.set(user.name, user);
    }
  }
  return listed;
}

function readUsersFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    throw new FleetError(
      "usage",
      `CONSOLE_USERS_FILE cannot be read (${code}): ${path}. Correct the path, or give the process a file it may read.`,
      { cause },
    );
  }
}

/** A line holds a hash, so what is wrong with it is said without repeating it. */
function parseUser(line: string, where: string): User {
  const [name = "", role = "", ...rest] = line.split(":");
  const passwordHash = rest.join(":");
  const wrong = !PERSON_NAME.test(name)
    ? `its name is not of ${PERSON_NAME_RULE}`
    : !isRole(role)
      ? `its role is none of ${PERSON_ROLES.join(", ")}`
      : isPasswordHash(passwordHash)
        ? null
        : "its password hash is none";
  if (wrong !== null || !isRole(role))
    throw new FleetError(
      "usage",
      `${where} is no user: ${wrong}. \`report-fleet console hash --name <name> --role <role>\` prints a line to put there.`,
    );
  const proof = createHash("sha256").update(line).digest("base64url");
  return { name, role, passwordHash, proof };
}

function isRole(text: string): text is PersonRole {
  return PERSON_ROLES.some((role) => role === text);
}
