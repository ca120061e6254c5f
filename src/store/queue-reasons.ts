/**
 * Why somebody presses buttons at Bull Board. Its page asks for no reason, so a person gives one before: it belongs to the
 * session, ends by itself, and stands in the audit with each press.
 */
import { createHash } from "node:crypto";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import type { Session } from "./console-sessions.ts";

const GIVE = savingScript(`${AUDIT_LUA}
-- KEYS reason audit   ARGV why for_ms by
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
audit(KEYS[2], 'open_queues', '', '', ARGV[3], ARGV[1], 'to be looked at', 'to be acted on')
return 'given'
`);

const END = savingScript(`${AUDIT_LUA}
-- KEYS reason audit   ARGV by
local why = redis.call('GET', KEYS[1])
if not why then return 'ended' end
redis.call('DEL', KEYS[1])
audit(KEYS[2], 'close_queues', '', '', ARGV[1], why, 'to be acted on', 'to be looked at')
return 'ended'
`);

export interface QueueReason {
  why: string;
  leftMs: number;
}

export async function giveQueueReason(
  store: Store,
  session: Pick<Session, "csrf">,
  { why, by, forMs }: { why: string; by: string; forMs: number },
): Promise<void> {
  await run(store.redis, GIVE, [keyOf(store, session), store.keys.audit], [why, forMs, by]);
}

/** Null where none was given, or where it has ended. */
export async function readQueueReason(
  store: Store,
  session: Pick<Session, "csrf">,
): Promise<QueueReason | null> {
  const key = keyOf(store, session);
  const [why, leftMs] = await Promise.all([store.redis.get(key), store.redis.pttl(key)]);
  return why === null || leftMs <= 0 ? null : { why, leftMs };
}

export async function endQueueReason(
  store: Store,
  session: Pick<Session, "csrf">,
  by: string,
): Promise<void> {
  await run(store.redis, END, [keyOf(store, session), store.keys.audit], [by]);
}

/** By the token that only this session's forms know, so that it ends with the session. */
function keyOf({ keys }: Store, { csrf }: Pick<Session, "csrf">): string {
  return keys.consoleQueueReason(createHash("sha256").update(csrf).digest("hex"));
}
