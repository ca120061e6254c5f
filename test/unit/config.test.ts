import { expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { settingsInForce } from "../../src/config/settings.ts";
import { FleetError } from "../../src/domain/fleet-error.ts";

function refusalOf(env: NodeJS.ProcessEnv): FleetError {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error("The environment was accepted.");
}

test("a fleet with an empty environment has a default for everything, and no key", () => {
  const config = loadConfig({});
  expect(config.redisUrl).toBeNull();
  expect(config.openai.apiKey).toBeNull();
  expect(config.openai.baseUrl).toBe("https://api.openai.com/v1");
  expect(config.concurrency).toBe(8);
  expect(config.durations.graceMs).toBe(25_000);
  expect(config.reportTypes).toHaveLength(1);
  expect(config.reportTypes[0]).toMatch(/examples[/\\]index\.ts$/);
});

test("a variable that a compose file passes on empty counts as not set", () => {
  expect(loadConfig({ CONCURRENCY: "", REDIS_URL: " ", OPENAI_API_KEY: "" })).toEqual(loadConfig({}));
});

test("one scale turns a story of minutes into seconds, in whole milliseconds and never to nothing", () => {
  const { durations } = loadConfig({ TIME_SCALE: "0.0001" });
  expect(durations.callTotalMs).toBe(60);
  expect(durations.heartbeatMs).toBe(1);
  expect(Object.values(durations).every((ms) => Number.isInteger(ms) && ms >= 1)).toBe(true);
});

test("report types are named by paths and packages, separated by commas", () => {
  expect(loadConfig({ REPORT_TYPES: "./mine.ts, @team/reports ,," }).reportTypes).toEqual([
    "./mine.ts",
    "@team/reports",
  ]);
});

test.each([
  ["CONCURRENCY", "many", "expected a number"],
  ["CONCURRENCY", "1.5", "whole number"],
  ["CONCURRENCY", "0", "1 to 1000"],
  ["TIME_SCALE", "-1", "above 0"],
  ["RESPONSE_FORMAT", "xml", "json_schema"],
  ["LOG_LEVEL", "loud", "debug"],
  ["STREAM", "maybe", "true or false"],
  ["FLEET", "{a}", "lower-case"],
  ["REDIS_URL", "http://localhost", "redis://"],
  ["OPENAI_BASE_URL", "nowhere", "http"],
])(
  "an operator who sets %s=%s is told which variable is wrong and what would be right",
  (name, value, hint) => {
    const refusal = refusalOf({ [name]: value });
    expect(refusal.code).toBe("usage");
    expect(refusal.message).toContain(`${name}: `);
    expect(refusal.message).toContain(hint);
  },
);

test("an operator is told of all wrong variables at once", () => {
  const { fields } = refusalOf({ STREAM: "maybe", CONCURRENCY: "0" });
  expect(fields.map(({ path }) => path).sort()).toEqual(["CONCURRENCY", "STREAM"]);
});

test("no secret is shown, neither in a description nor in an error", () => {
  const secret = "sk-very-secret";
  const settings = settingsInForce({
    OPENAI_API_KEY: secret,
    REDIS_URL: `redis://user:${secret}@localhost:6379`,
    OPENAI_BASE_URL: `https://user:${secret}@gateway.example/v1?api-key=${secret}`,
  });
  expect(JSON.stringify(settings)).not.toContain(secret);
  expect(settings).toContainEqual({ name: "OPENAI_API_KEY", value: "***", from: "environment" });
  expect(settings).toContainEqual({
    name: "REDIS_URL",
    value: "redis://user:***@localhost:6379",
    from: "environment",
  });
  expect(refusalOf({ REDIS_URL: `http://:${secret}@localhost` }).message).not.toContain(secret);
});

test("nothing can change the configuration after it was read", () => {
  const config = loadConfig({});
  expect(() => Object.assign(config.durations, { graceMs: 0 })).toThrow(TypeError);
  expect(Object.isFrozen(config.openai)).toBe(true);
});
