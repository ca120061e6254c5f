import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { consoleMissing, openConsole } from "../../../src/console/open-console.ts";

function missing(env: Record<string, string>): string | null {
  return consoleMissing(loadConfig(env));
}

test("on loopback the console needs nobody and no address: whoever is there can make a link", () => {
  for (const HOST of ["127.0.0.1", "::1", "localhost"]) expect(missing({ HOST })).toBeNull();
});

test("beyond loopback the console is not served before somebody may sign in, and the log says how", () => {
  expect(missing({ HOST: "0.0.0.0" })).toBe(
    "HOST is 0.0.0.0 and nobody may sign in; set CONSOLE_USERS_FILE (`report-fleet console hash` prints its lines)",
  );
  // What is said is what is done.
  expect(openConsole(loadConfig({ HOST: "0.0.0.0" }))).toBeNull();
});

test("beyond loopback the console is not served where passwords would travel in the clear", () => {
  const people = { HOST: "0.0.0.0", CONSOLE_USERS_FILE: "/etc/fleet/users" };
  for (const more of [{}, { CONSOLE_URL: "http://fleet.example" }])
    expect(missing({ ...people, ...more })).toBe(
      "HOST is 0.0.0.0 and CONSOLE_URL is no https address, so passwords would travel in the clear",
    );
  expect(missing({ ...people, CONSOLE_URL: "https://fleet.example" })).toBeNull();
  // A tunnel ends on the person's own machine.
  expect(missing({ ...people, CONSOLE_URL: "http://127.0.0.1:8080" })).toBeNull();
});
