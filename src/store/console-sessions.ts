/**
 * People who are signed in at the console, their one-time links, and tries with wrong passwords.
 *
 * A browser holds 256 random bits, we hold their hash: a dump of the store signs nobody in. A session ends by itself when
 * it was not used for a while, and at the latest some hours after it began, however busy it is. Whatever the page does on
 * its own (live updates) reads the session without keeping it alive: idle means the person, not the page.
 */
import { createHash, randomBytes } from "node:crypto";
import { PERSON_ROLES, type Person, type PersonRole } from "../domain/person.ts";
import type { EpochMs } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

const BEGIN = startingScript(`
-- KEYS session   ARGV name role csrf proof idle_ms longest_ms
local now = now_ms()
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'role', ARGV[2], 'csrf', ARGV[3], 'proof', ARGV[4], 'since', now)
redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[5]), tonumber(ARGV[6])))
return 'begun'
`);

const VISIT = savingScript(`
-- KEYS session   ARGV idle_ms longest_ms by_person(0|1)
local s = redis.call('HMGET', KEYS[1], 'name', 'role', 'csrf', 'proof', 'since', 'said')
if not s[1] then return {} end
local left = tonumber(s[5]) + tonumber(ARGV[2]) - now_ms()
if left <= 0 then
  redis.call('DEL', KEYS[1])
  return {}
end
if ARGV[3] == '1' then
  redis.call('PEXPIRE', KEYS[1], math.min(left, tonumber(ARGV[1])))
  redis.call('HDEL', KEYS[1], 'said')
end
return {s[1], s[2], s[3], s[4], s[6] or ''}
`);

const SAY = savingScript(`
-- KEYS session   ARGV words
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'said', ARGV[1]) end
return 'said'
`);

const TAKE_LINK = savingScript(`
-- KEYS link
local l = redis.call('HMGET', KEYS[1], 'name', 'role')
if not l[1] then return {} end
redis.call('DEL', KEYS[1])
return l
`);

const TRY = savingScript(`
-- KEYS tries...   ARGV window_ms most...
-- Counted before the password is checked, or many tries at once would all pass.
local wait = 0
for i = 1, #KEYS do
  local n = redis.call('INCR', KEYS[i])
  if n == 1 then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
  if n > tonumber(ARGV[i + 1]) then wait = math.max(wait, redis.call('PTTL', KEYS[i])) end
end
return wait
`);

export interface Session extends Person {
  /** What a form must bring back. */
  csrf: string;
  /** Hash of what the person signed in with; null for a one-time link. It ends with a changed password. */
  proof: string | null;
  /** Told once, on the next page. */
  said: string | null;
}

export interface SessionTimes {
  consoleIdleMs: number;
  consoleLongestMs: number;
}

/** Begins a session under a name that nobody knew before; what the browser brought along is never taken over. */
export async function beginSession(
  store: Store,
  person: Person,
  proof: string | null,
  times: SessionTimes,
): Promise<string> {
  const cookie = secret();
  await run(
    store.redis,
    BEGIN,
    [store.keys.consoleSession(hashOf(cookie))],
    [person.name, person.role, secret(), proof ?? "", times.consoleIdleMs, times.consoleLongestMs],
  );
  return cookie;
}

/** The session a cookie stands for; `byPerson` keeps it alive and takes what was left to say. */
export async function visitSession(
  store: Store,
  cookie: string,
  byPerson: boolean,
  times: SessionTimes,
): Promise<Session | null> {
  const [name, role, csrf, proof, said] = await run<string[]>(
    store.redis,
    VISIT,
    [store.keys.consoleSession(hashOf(cookie))],
    [times.consoleIdleMs, times.consoleLongestMs, byPerson ? 1 : 0],
  );
  if (name === undefined || csrf === undefined || !isRole(role)) return null;
  return { name, role, csrf, proof: proof || null, said: said || null };
}

export async function sayInSession(store: Store, cookie: string, words: string): Promise<void> {
  await run(store.redis, SAY, [store.keys.consoleSession(hashOf(cookie))], [words]);
}

export async function endSession(store: Store, cookie: string): Promise<void> {
  await store.redis.del(store.keys.consoleSession(hashOf(cookie)));
}

/** The secret part of a link that signs one person in, once. */
export async function makeLink(store: Store, person: Person, forMs: number): Promise<string> {
  const text = secret();
  const key = store.keys.consoleLink(hashOf(text));
  await store.redis.multi().hset(key, { name: person.name, role: person.role }).pexpire(key, forMs).exec();
  return text;
}

export async function takeLink(store: Store, text: string): Promise<Person | null> {
  const [name, role] = await run<string[]>(
    store.redis,
    TAKE_LINK,
    [store.keys.consoleLink(hashOf(text))],
    [],
  );
  return name === undefined || !isRole(role) ? null : { name, role };
}

/** How many tries within the window; by name and address together, by address, by name. */
export interface TryLimits {
  windowMs: EpochMs;
  nameAndAddress: number;
  address: number;
  name: number;
}

/** Counts a try; 0 where it may be made, else how long to wait. */
export async function countTry(
  store: Store,
  { name, address }: { name: string; address: string },
  limits: TryLimits,
): Promise<number> {
  return run(store.redis, TRY, triesOf(store, name, address), [
    limits.windowMs,
    limits.nameAndAddress,
    limits.address,
    limits.name,
  ]);
}

/** After the right password the slips before it count no more, for this person from this address. */
export async function forgetTries(
  store: Store,
  { name, address }: { name: string; address: string },
): Promise<void> {
  const [both] = triesOf(store, name, address);
  if (both !== undefined) await store.redis.del(both);
}

/** What somebody typed as a name enters a key as its hash only. */
function triesOf({ keys }: Store, name: string, address: string): string[] {
  return [`both ${name} ${address}`, `address ${address}`, `name ${name}`].map((whose) =>
    keys.consoleTries(hashOf(whose)),
  );
}

function isRole(role: string | undefined): role is PersonRole {
  return PERSON_ROLES.some((known) => known === role);
}

function secret(): string {
  return randomBytes(32).toString("base64url");
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
