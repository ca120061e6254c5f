/**
 * The door for programs that speak Redis and nothing of ours: a stream of orders, read by a consumer group.
 *
 *     {fleet}:intake                          entries, gone once they are answered
 *     {fleet}:intake:status:<account>:<key>   what became of an order, for as long as its key may be repeated
 *     {fleet}:intake:rejected                 the last refusals, with their reasons
 *
 * An entry is answered in one script with its acknowledgement. Until then it is pending, and belongs to whoever claims it
 * after its reader has gone silent; admitting it again finds the report that its key made.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { FieldProblem } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { fieldsOf, run, savingScript } from "./script.ts";

const GROUP = "fleet";
/** Enough to see what is wrong with a sender, too few to fill Redis with it. */
const MOST_REJECTED = 10_000;
const FORGET_CONSUMER_AFTER_MS = 10 * 60_000;

const ADMITTED = savingScript(`
-- KEYS intake status   ARGV group entry report keep_ms
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 'answered_before' end
redis.call('HSET', KEYS[2], 'status', 'admitted', 'report', ARGV[3], 'entry', ARGV[2], 'at', now_ms())
redis.call('HDEL', KEYS[2], 'code', 'reason', 'fields', 'refused')
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[2])
return 'answered'
`);

const REJECTED = savingScript(`
-- KEYS intake rejected fleet_events   ARGV group entry keep_ms most status_key('' = nobody to tell) event account type key code reason fields
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 'answered_before' end
local now = now_ms()
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'entry', ARGV[2], 'account', ARGV[7], 'type', ARGV[8], 'key', ARGV[9],
  'code', ARGV[10], 'reason', ARGV[11], 'fields', ARGV[12], 'at', now)
if ARGV[5] ~= '' then
  -- A key that has a report keeps saying so: it is the repeat that was refused, and its sender finds that by its entry.
  if redis.call('HEXISTS', ARGV[5], 'report') == 0 then redis.call('HSET', ARGV[5], 'status', 'rejected', 'entry', ARGV[2]) end
  redis.call('HSET', ARGV[5], 'refused', ARGV[2], 'code', ARGV[10], 'reason', ARGV[11], 'fields', ARGV[12], 'at', now)
  redis.call('PEXPIRE', ARGV[5], ARGV[3])
end
emit('', KEYS[3], ARGV[6])
redis.call('XDEL', KEYS[1], ARGV[2])
return 'answered'
`);

/** One script, because a consumer that is deleted takes what it has pending with it. */
const FORGET_CONSUMERS = savingScript(`
-- KEYS intake   ARGV group idle_ms consumer('' = any)
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local forgotten = 0
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local c = {}
  for i = 1, #row, 2 do c[row[i]] = row[i + 1] end
  if c.pending == 0 and (c.name == ARGV[3] or (ARGV[3] == '' and c.idle > tonumber(ARGV[2]))) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
    forgotten = forgotten + 1
  end
end
return forgotten
`);

export interface IntakeEntry {
  id: string;
  fields: Record<string, string>;
}

export interface IntakeRejection {
  /** As the caller wrote them; '' where they cannot be told. */
  account: string;
  type: string;
  key: string;
  code: string;
  reason: string;
  fields: readonly FieldProblem[];
  /** True where account and key are such that the caller finds an answer under them. */
  answerable: boolean;
}

/** Makes the group, from the first entry on: orders may be older than the first fleet. */
export async function openIntake({ redis, keys }: Store): Promise<void> {
  try {
    await redis.xgroup("CREATE", keys.intake, GROUP, "0", "MKSTREAM");
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("BUSYGROUP"))) throw error;
  }
}

/** New entries; waits up to `blockMs` for the first, on a connection that nobody else uses meanwhile. */
export async function readIntake(
  { redis, keys }: Store,
  consumer: string,
  count: number,
  blockMs: number,
): Promise<IntakeEntry[]> {
  const reply = await redis.xreadgroup(
    "GROUP",
    GROUP,
    consumer,
    "COUNT",
    count,
    "BLOCK",
    blockMs,
    "STREAMS",
    keys.intake,
    ">",
  );
  return entriesOf(reply?.[0]?.[1] ?? []);
}

/** Entries that somebody has read and not answered for so long, ourselves included. */
export async function claimAbandoned(
  { redis, keys }: Store,
  consumer: string,
  idleMs: number,
  count: number,
): Promise<IntakeEntry[]> {
  const [, entries] = (await redis.xautoclaim(keys.intake, GROUP, consumer, idleMs, "0", "COUNT", count)) as [
    string,
    (RawEntry | null)[],
  ];
  return entriesOf(entries.filter((entry) => entry !== null));
}

/** How often an entry was handed to a reader. */
export async function countDeliveries({ redis, keys }: Store, entryId: string): Promise<number> {
  const [pending] = (await redis.xpending(keys.intake, GROUP, entryId, entryId, 1)) as [
    string,
    string,
    number,
    number,
  ][];
  return pending?.[3] ?? 0;
}

export async function answerAdmitted(
  { redis, keys }: Store,
  entryId: string,
  order: { account: string; key: string; report: ReportId },
  keepMs: number,
): Promise<"answered" | "answered_before"> {
  return run(
    redis,
    ADMITTED,
    [keys.intake, keys.intakeStatus(order.account, order.key)],
    [GROUP, entryId, order.report, Math.ceil(keepMs)],
  );
}

export async function answerRejected(
  { redis, keys }: Store,
  entryId: string,
  rejection: IntakeRejection,
  keepMs: number,
): Promise<"answered" | "answered_before"> {
  const { account, type, key, code, reason, fields, answerable } = rejection;
  const event: FleetEvent = { event: "intake.rejected", entry: entryId, code };
  return run(
    redis,
    REJECTED,
    [keys.intake, keys.intakeRejected, keys.fleetEvents],
    [
      GROUP,
      entryId,
      Math.ceil(keepMs),
      MOST_REJECTED,
      answerable ? keys.intakeStatus(account, key) : "",
      JSON.stringify(event),
      account,
      type,
      key,
      code,
      reason,
      JSON.stringify(fields),
    ],
  );
}

/** As any program adds one; answers its id. */
export async function addToIntake(
  { redis, keys }: Store,
  fields: Readonly<Record<string, string>>,
): Promise<string> {
  const id = await redis.xadd(keys.intake, "*", ...Object.entries(fields).flat());
  if (id === null) throw new Error("The intake stream took no entry.");
  return id;
}

export type IntakeAnswer =
  | { outcome: "admitted"; report: ReportId }
  | { outcome: "rejected"; code: string; reason: string; fields: readonly FieldProblem[] };

/** What became of this very entry; null while it is not answered. */
export async function readIntakeAnswer(
  { redis, keys }: Store,
  account: string,
  key: string,
  entryId: string,
): Promise<IntakeAnswer | null> {
  const answer = await redis.hgetall(keys.intakeStatus(account, key));
  if (answer["refused"] === entryId)
    return {
      outcome: "rejected",
      code: answer["code"] ?? "internal",
      reason: answer["reason"] ?? "",
      fields: JSON.parse(answer["fields"] ?? "[]") as FieldProblem[],
    };
  // A later entry under the same key was answered in its place; what holds for that holds for this one.
  if (answer["status"] === "admitted" && !isBefore(answer["entry"] ?? "0-0", entryId))
    return { outcome: "admitted", report: answer["report"] as ReportId };
  return null;
}

/** Stream ids, by their time and their count within it. */
function isBefore(one: string, other: string): boolean {
  const [[ms = 0, nth = 0], [otherMs = 0, otherNth = 0]] = [one, other].map((id) =>
    id.split("-").map(Number),
  ) as [number[], number[]];
  return ms < otherMs || (ms === otherMs && nth < otherNth);
}

/** Readers that are gone and owe no answer. */
export async function forgetIdleConsumers({ redis, keys }: Store): Promise<void> {
  await run(redis, FORGET_CONSUMERS, [keys.intake], [GROUP, FORGET_CONSUMER_AFTER_MS, ""]);
}

/** A reader that ends, unless it owes an answer: then it is remembered for whoever claims that. */
export async function forgetConsumer({ redis, keys }: Store, consumer: string): Promise<void> {
  await run(redis, FORGET_CONSUMERS, [keys.intake], [GROUP, 0, consumer]);
}

type RawEntry = [id: string, flat: string[] | null];

function entriesOf(raw: readonly RawEntry[]): IntakeEntry[] {
  return raw.map(([id, flat]) => ({ id, fields: fieldsOf(flat ?? []) }));
}
