/**
 * Who calls the HTTP API: `rf_<id>_<secret>`. The id names the key in lists and in the audit, the secret is 256 random
 * bits that are shown once and stored as a hash.
 *
 * A key belongs to one account and then sees that account only, or to none and then sees the whole fleet. What changes
 * the fleet or its money is never given to an account's key.
 */
import type { EpochMs } from "./ids.ts";

export const SCOPES = [
  "reports:read",
  "reports:write",
  "reviews",
  "credits",
  "webhooks",
  "operate",
  /** Holds every other one. */
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];

export const SCOPES_OF_THE_FLEET: readonly Scope[] = ["operate", "admin"];

export interface ApiKey {
  id: string;
  /** Whose key it is, in words for a person. */
  name: string;
  /** Null for a key of the fleet. */
  account: string | null;
  scopes: readonly Scope[];
  createdAt: EpochMs;
  expiresAt: EpochMs | null;
  revokedAt: EpochMs | null;
  /** To the minute; null where it was never used. */
  lastUsedAt: EpochMs | null;
}

const KEY = /^rf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

export function keyText(id: string, secret: string): string {
  return `rf_${id}_${secret}`;
}

/** Null for anything that was never a key of ours. */
export function parseKeyText(text: string): { id: string; secret: string } | null {
  const match = KEY.exec(text);
  return match?.[1] === undefined || match[2] === undefined ? null : { id: match[1], secret: match[2] };
}

export function isKeyId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

export function holdsScope(key: Pick<ApiKey, "scopes">, scope: Scope): boolean {
  return key.scopes.includes(scope) || key.scopes.includes("admin");
}

export function isValid(key: Pick<ApiKey, "expiresAt" | "revokedAt">, now: EpochMs): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}
