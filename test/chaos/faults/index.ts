import { killed } from "./f01-killed.ts";
import { zombie } from "./f02-zombie.ts";
import { apiKilled } from "./f03-api-killed.ts";
import { redisKilled } from "./f04-redis-killed.ts";
import { powerLoss } from "./f05-power-loss.ts";
import { badLink } from "./f06-link.ts";
import { redisFull } from "./f07-redis-full.ts";
import { diskFull } from "./f08-disk-full.ts";
import { redisStalled } from "./f09-redis-stalled.ts";
import { redisAdministered } from "./f10-redis-admin.ts";
import { failover } from "./f11-failover.ts";
import { wrongClock } from "./f12-clock.ts";
import { blockedLoop } from "./f13-blocked.ts";
import { rollingRestart } from "./f14-rolling.ts";
import { corruptedCheckpoint } from "./f15-corrupted.ts";
import { poison } from "./f16-poison.ts";
import type { Fault } from "./fault.ts";

export const FAULTS: readonly Fault[] = [
  killed,
  zombie,
  apiKilled,
  redisKilled,
  powerLoss,
  badLink,
  redisFull,
  diskFull,
  redisStalled,
  redisAdministered,
  failover,
  wrongClock,
  blockedLoop,
  rollingRestart,
  corruptedCheckpoint,
  poison,
];
