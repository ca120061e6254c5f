import { expect, test } from "vitest";
import { checkApiExposure, checkRedisExposure } from "../../../src/api/check-exposure.ts";

test.each(["127.0.0.1", "127.8.0.1", "localhost", "::1"])("on %s the API starts without a key", (host) => {
  expect(() => checkApiExposure(host, false)).not.toThrow();
});

test.each(["0.0.0.0", "::", "10.0.0.5", "fleet.example.com", "127.0.0.1.example.com"])(
  "on %s the API starts only once there is an admin key, and says how to make one",
  (host) => {
    expect(() => checkApiExposure(host, false)).toThrow("report-fleet keys create");
    expect(() => checkApiExposure(host, true)).not.toThrow();
  },
);

test.each(["redis://10.0.0.5:6379", "redis://redis:6379", "rediss://user@redis.example.com"])(
  "a Redis that others can reach (%s) needs a password",
  (url) => {
    expect(() => checkRedisExposure(url)).toThrow("no password");
  },
);

test.each([
  "redis://127.0.0.1:7000",
  "redis://localhost",
  "redis://[::1]:6379",
  "rediss://u:secret@redis.example.com",
])("%s is taken as it is", (url) => {
  expect(() => checkRedisExposure(url)).not.toThrow();
});
