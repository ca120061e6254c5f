/**
 * How a person comes in: by name and password, or by a one-time link that somebody with the fleet's Redis has made. Both
 * begin a session of a new name; whatever the browser held before is ended. Wrong passwords are counted by name and by
 * address, before the password is looked at.
 */
import type { Request } from "express";
import type { Person } from "../domain/person.ts";
import { recordAudit } from "../store/audit.ts";
import {
  beginSession,
  countTry,
  forgetTries,
  takeLink,
  type SessionTimes,
} from "../store/console-sessions.ts";
import type { Store } from "../store/redis.ts";
import { isPassword } from "./password.ts";
import type { Users } from "./users.ts";

const LIMITS = { windowMs: 15 * 60_000, nameAndAddress: 5, address: 50, name: 100 } as const;
/** Each try takes 32 MB and a thread; whoever sends many at once waits or is sent away. */
const MOST_AT_ONCE = 4;

export type SignedIn =
  | { outcome: "in"; cookie: string; person: Person }
  | { outcome: "wrong" }
  | { outcome: "wait"; ms: number };

export interface SignInDesk {
  store: Store;
  users: Users;
  durations: SessionTimes;
}

let checking = 0;

export async function signInByPassword(
  { store, users, durations }: SignInDesk,
  { name, password }: { name: string; password: string },
  request: Request,
): Promise<SignedIn> {
  const address = addressOf(request);
  if (checking >= MOST_AT_ONCE) return { outcome: "wait", ms: 1_000 };
  checking += 1;
  try {
    const ms = await countTry(store, { name, address }, LIMITS);
    if (ms > 0) {
      return { outcome: "wait", ms };
    }
    const user = users.get(name);
    if (!(await isPassword(password, user?.passwordHash)) || user === undefined) return { outcome: "wrong" };
    await forgetTries(store, { name, address });
    const cookie = await beginSession(store, user, user.proof, durations);
    await recordAudit(store, {
      action: "sign_in",
      by: `${name} (console)`,
      why: `password, from ${address}`,
    });
    return { outcome: "in", cookie, person: user };
  } finally {
    checking -= 1;
  }
}

export async function signInByLink(
  { store, durations }: SignInDesk,
  text: string,
  request: Request,
): Promise<SignedIn> {
  const address = addressOf(request);
  const ms = await countTry(store, { name: "", address }, LIMITS_OF_LINKS);
  if (ms > 0) return { outcome: "wait", ms };
  const person = await takeLink(store, text);
  if (person === null) return { outcome: "wrong" };
  const cookie = await beginSession(store, person, null, durations);
  await recordAudit(store, {
    action: "sign_in",
    by: `${person.name} (console)`,
    why: `one-time link, from ${address}`,
  });
  return { outcome: "in", cookie, person };
}

/** A link has 256 random bits and is not guessed; this only bounds the work. */
const LIMITS_OF_LINKS = { windowMs: 60_000, nameAndAddress: 100, address: 200, name: 1_000 } as const;

function addressOf(request: Request): string {
  return request.socket.remoteAddress ?? "unknown";
}
