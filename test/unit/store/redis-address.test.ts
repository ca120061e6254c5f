import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { hostsOf, redisOptions, sentinelsOf } from "../../../src/store/redis-address.ts";

test("a plain address is a host, a port, a user and a database", () => {
  expect(redisOptions("redis://fleet:p%40ss@10.0.0.5:7000/3")).toEqual({
    host: "10.0.0.5",
    port: 7_000,
    username: "fleet",
    password: "p@ss",
    db: 3,
  });
  expect(redisOptions("redis://[::1]")).toMatchObject({ host: "::1", port: 6_379, db: 0 });
});

test("rediss is TLS, and a private authority's certificates are read from their file", () => {
  expect(redisOptions("rediss://redis.example.com")).toMatchObject({ tls: {} });
  const dir = mkdtempSync(join(tmpdir(), "ca-"));
  try {
    writeFileSync(join(dir, "ca.pem"), "-----BEGIN CERTIFICATE-----");
    const { redisUrl } = loadConfig({
      REDIS_URL: "rediss://:s@10.0.0.5",
      REDIS_CA_FILE: join(dir, "ca.pem"),
    });
    expect(redisOptions(redisUrl ?? "")).toMatchObject({ tls: { ca: "-----BEGIN CERTIFICATE-----" } });
  } finally {
    rmSync(dir, { recursive: true });
  }
  expect(() => redisOptions("rediss://10.0.0.5?ca=/nowhere/ca.pem")).toThrow(/REDIS_CA_FILE/);
});

test("with sentinels the host is the name they know, and they are asked for the primary", () => {
  const { redisUrl } = loadConfig({
    REDIS_URL: "redis://fleet:secret@main/1",
    REDIS_SENTINELS: "10.0.0.1:26379, sentinel-2",
    REDIS_SENTINEL_PASSWORD: "of the sentinels",
  });
  const address = redisUrl ?? "";
  expect(redisOptions(address)).toEqual({
    name: "main",
    sentinels: [
      { host: "10.0.0.1", port: 26_379 },
      { host: "sentinel-2", port: 26_379 },
    ],
    sentinelPassword: "of the sentinels",
    username: "fleet",
    password: "secret",
    db: 1,
  });
  expect(sentinelsOf(address)).toHaveLength(2);
  expect(hostsOf(address)).toEqual(["10.0.0.1", "sentinel-2"]);
});

test("an address that cannot be used is refused without being repeated, since it may hold a password", () => {
  for (const address of ["redis://:secret@h?sentinal=a", "redis://:secret@h/queue", "secret"]) {
    expect(() => redisOptions(address)).toThrow(/address of Redis cannot be used/);
    expect(() => redisOptions(address)).not.toThrow(/secret/);
  }
});
