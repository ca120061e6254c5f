/** Passwords are kept as scrypt hashes: slow to guess, and the parameters travel with each so that they may rise. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** About 60 ms and 32 MB for one try, which is what makes guessing dear. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;
const MOST_MEMORY = 64 * 1_024 * 1_024;
const KEY_BYTES = 32;
const HASH = /^scrypt:(\d{4,7}):(\d{1,2}):(\d{1,2}):([A-Za-z0-9_-]{16,64}):([A-Za-z0-9_-]{43})$/;

export const SHORTEST_PASSWORD = 12;
export const LONGEST_PASSWORD = 200;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return `scrypt:${COST.N}:${COST.r}:${COST.p}:${salt.toString("base64url")}:${key.toString("base64url")}`;
}

export function isPasswordHash(text: string): boolean {
  const [, n, r, p] = HASH.exec(text) ?? [];
  return n !== undefined && 128 * Number(n) * Number(r) * Number(p) <= MOST_MEMORY;
}

/** False for anything that is no hash of ours, after as long a time as for a wrong password. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const match = HASH.exec(hash ?? NOBODYS_HASH);
  if (match === null || password.length > LONGEST_PASSWORD) return false;
  const [, n, r, p, salt = "", kept = ""] = match;
  const cost = { N: Number(n), r: Number(r), p: Number(p) };
  const key = await derive(password, Buffer.from(salt, "base64url"), cost);
  return timingSafeEqual(key, Buffer.from(kept, "base64url")) && hash !== undefined;
}

/** Compared with where a name is unknown, so that the answer takes as long. */
const NOBODYS_HASH = `scrypt:${COST.N}:${COST.r}:${COST.p}:${"A".repeat(22)}:${"A".repeat(43)}`;

function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(
      password.normalize("NFKC"),
      salt,
      KEY_BYTES,
      { ...cost, maxmem: 2 * MOST_MEMORY },
      (error, key) => {
        if (error === null) resolve(key);
        else reject(error);
      },
    );
  });
}
