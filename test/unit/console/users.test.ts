import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadUsers } from "../../../src/console/users.ts";

const HASH = `scrypt:32768:8:1:${"s".repeat(22)}:${"k".repeat(43)}`;
const NOBODY = { url: null, users: null, usersFile: null, environment: null };

function usersOf(users: string) {
  return loadUsers({ ...NOBODY, users });
}

function aFile(text: string): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-users-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "users");
  writeFileSync(file, text);
  return file;
}

test("people are read from the variable and from the file; empty lines and remarks are passed over", () => {
  const usersFile = aFile(`# the night shift\n\n  rhea:reviewer:${HASH}\r\nvera:viewer:${HASH}\n`);
  const users = loadUsers({ ...NOBODY, users: `ada:admin:${HASH}`, usersFile });
  expect([...users.values()].map(({ name, role }) => [name, role])).toEqual([
    ["ada", "admin"],
    ["rhea", "reviewer"],
    ["vera", "viewer"],
  ]);
  expect(users.get("rhea")?.passwordHash).toBe(HASH);
});

test("a session ends with a changed password or role, since the proof changes with the line", () => {
  const proofs = [`ada:admin:${HASH}`, `ada:viewer:${HASH}`, `ada:admin:${HASH.replace("k", "l")}`].map(
    (line) => usersOf(line).get("ada")?.proof,
  );
  expect(new Set(proofs).size).toBe(3);
});

test.each([
  ["a word alone", "ada", "its role is none of viewer, reviewer, admin"],
  ["a name with a space", `ada lovelace:admin:${HASH}`, "its name is not of letters"],
  ["a role there is not", `ada:root:${HASH}`, "its role is none of viewer, reviewer, admin"],
  ["a password instead of its hash", "ada:admin:hunter2hunter2", "its password hash is none"],
  ["a hash that takes too much memory", `ada:admin:${HASH.replace("32768", "9999999")}`, "its password hash"],
])("%s is refused with its line, what is wrong, and what to do, but without its secret", (_, line, wrong) => {
  const usersFile = aFile(`vera:viewer:${HASH}\n${line}\n`);
  const load = () => loadUsers({ ...NOBODY, usersFile });
  expect(load).toThrow(`Line 2 of the file ${usersFile} (CONSOLE_USERS_FILE) is no user: ${wrong}`);
  expect(load).toThrow("`report-fleet console hash --name <name> --role <role>` prints a line to put there.");
  expect(() => usersOf(line)).toThrow("Line 1 of CONSOLE_USERS is no user");
  expect(load).not.toThrow("hunter2");
});

test("a name that stands twice is refused, since nobody could say which password is right", () => {
  expect(() => usersOf(`ada:admin:${HASH},ada:viewer:${HASH}`)).toThrow(
    'CONSOLE_USERS names "ada", who is named before. Keep one line each.',
  );
});

test("a file that cannot be read is named with the setting that names it", () => {
  expect(() => loadUsers({ ...NOBODY, usersFile: "/nowhere/users" })).toThrow(
    "CONSOLE_USERS_FILE cannot be read (ENOENT): /nowhere/users. Correct the path, or give the process a file it may read.",
  );
});
