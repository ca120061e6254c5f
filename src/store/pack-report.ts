/**
 * A finished report at rest. For review everything is kept for as long as retention says, but most of it is never looked at
 * again, and hashes and streams take several times what is written in them. So some time after its end a report is packed:
 *
 *     report:<id>:packed   texts    its checkpoints, and what its sections have written; go when texts go
 *                          record   its requests with their books, and its events so far
 *
 * A text that stands in an answer, in a section and in the document is told once there. Only a report that was delivered
 * whole is packed: of any other a person may still make something. What is told of it later (a refund) begins its stream
 * anew, behind what is packed. Whoever reads asks for both, so nobody need know whether a report is packed.
 */
import type { ReportId } from "../domain/ids.ts";
import { hasOlderProcess } from "./layout.ts";
import { pack, packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import type { StoredReport } from "./reports.ts";
import { run, savingScript } from "./script.ts";
import { isStoredText } from "./stored-text.ts";

const PACK = savingScript(`
-- KEYS report packed calls asks events sections...   ARGV updated_at calls asks events texts record
-- What has moved since it was read is packed another time.
local r = redis.call('HMGET', KEYS[1], 'status', 'delivery', 'updatedAt')
if r[1] ~= 'completed' or r[2] ~= 'full' or r[3] ~= ARGV[1] then return 'later' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'packed' end
if redis.call('HLEN', KEYS[3]) ~= tonumber(ARGV[2]) or redis.call('HLEN', KEYS[4]) ~= tonumber(ARGV[3]) then return 'later' end
if redis.call('XLEN', KEYS[5]) ~= tonumber(ARGV[4]) then return 'later' end
redis.call('HSET', KEYS[2], 'texts', ARGV[5], 'record', ARGV[6])
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
for i = 6, #KEYS do
  -- Written anew, or it would keep the form that large values need. Which calls it used, only its books had to know.
  local fields, kept = redis.call('HGETALL', KEYS[i]), {}
  for n = 1, #fields, 2 do
    if fields[n] ~= 'output' and fields[n] ~= 'used' then kept[#kept + 1], kept[#kept + 2] = fields[n], fields[n + 1] end
  end
  redis.call('DEL', KEYS[i])
  if #kept > 0 then redis.call('HSET', KEYS[i], unpack(kept)) end
end
return 'packed'
`);

interface PackedTexts {
  v: 1;
  /** Call or step field → what lies there; stored texts as text. */
  calls: Record<string, string>;
  outputs: Record<string, string>;
}

interface PackedRecord {
  v: 1;
  asks: Record<string, string>;
  events: [id: string, event: string][];
}

/** `later` where it moved just now, or a process lives that would not find it; `kept` where it stays as it is for good. */
export async function packReport(
  store: Store,
  { report, plan }: StoredReport,
): Promise<"packed" | "later" | "kept"> {
  const { redis, keys } = store;
  const { id } = report;
  if (report.status !== "completed" || report.delivery !== "full") return "kept";
  if (await hasOlderProcess(store)) return "later";
  const sections = (plan ?? []).map(({ key }) => key);
  const [calls, asks, events] = await Promise.all([
    redis.hgetallBuffer(keys.calls(id)),
    redis.hgetall(keys.asks(id)),
    redis.xrange(keys.events(id), "-", "+"),
  ]);
  // An answer that still comes, out of the spool of a lost host, finds its row where it was.
  if (Object.values(asks).some((row) => /^(?:open|unknown)\|/.test(row))) return "kept";
  const texts: PackedTexts = { v: 1, calls: {}, outputs: {} };
  // Section by section: what repeats stands close together.
  for (const name of Object.keys(calls).sort()) {
    const text = isStoredText(name) ? textOf(calls[name]) : calls[name]?.toString();
    // Damaged: it stays as it is, for a person to look at.
    if (text === undefined) return "kept";
    texts.calls[name] = text;
  }
  for (const section of sections) {
    const output = await redis.hgetBuffer(keys.section(id, section), "output");
    if (output === null) continue;
    const text = textOf(output);
    if (text === undefined) return "kept";
    texts.outputs[section] = text;
  }
  const record: PackedRecord = { v: 1, asks, events: events.map(([at, flat]) => [at, flat[1] ?? ""]) };
  return run(
    redis,
    PACK,
    [
      keys.report(id),
      keys.packed(id),
      keys.calls(id),
      keys.asks(id),
      keys.events(id),
      ...sections.map((section) => keys.section(id, section)),
    ],
    [
      report.updatedAt,
      Object.keys(calls).length,
      Object.keys(asks).length,
      events.length,
      packJson(texts),
      packJson(record),
    ],
  );
}

function textOf(packed: Buffer | undefined): string | undefined {
  const unpacked = packed === undefined ? null : unpack(packed);
  return unpacked?.ok ? unpacked.text : undefined;
}

/** Takes, answers and steps of a report, wherever they lie; texts are packed as they are in its calls. */
export async function readCallFields(store: Store, id: ReportId): Promise<Record<string, Buffer>> {
  const fields = await store.redis.hgetallBuffer(store.keys.calls(id));
  if (Object.keys(fields).length > 0) return fields;
  const texts = await readPacked<PackedTexts>(store, id, "texts");
  return Object.fromEntries(
    Object.entries(texts?.calls ?? {}).map(([name, text]) => [
      name,
      isStoredText(name) ? pack(text) : Buffer.from(text),
    ]),
  );
}

export async function readCallNames(store: Store, id: ReportId): Promise<string[]> {
  const names = await store.redis.hkeys(store.keys.calls(id));
  if (names.length > 0) return names;
  return Object.keys((await readPacked<PackedTexts>(store, id, "texts"))?.calls ?? {});
}

/** One field of them; null where there is none. */
export async function readCallField(store: Store, id: ReportId, name: string): Promise<Buffer | null> {
  const field = await store.redis.hgetBuffer(store.keys.calls(id), name);
  if (field !== null) return field;
  const text = (await readPacked<PackedTexts>(store, id, "texts"))?.calls[name];
  if (text === undefined) return null;
  return isStoredText(name) ? pack(text) : Buffer.from(text);
}

export async function readPackedOutput(store: Store, id: ReportId, section: string): Promise<string | null> {
  return (await readPacked<PackedTexts>(store, id, "texts"))?.outputs[section] ?? null;
}

/** Requests of a report with their books, wherever they lie. */
export async function readAskFields(store: Store, id: ReportId): Promise<Record<string, string>> {
  const fields = await store.redis.hgetall(store.keys.asks(id));
  if (Object.keys(fields).length > 0) return fields;
  return (await readPacked<PackedRecord>(store, id, "record"))?.asks ?? {};
}

/** As entries of a stream: what comes before those in the report's own. */
export async function readPackedEvents(store: Store, id: ReportId): Promise<[id: string, flat: string[]][]> {
  const record = await readPacked<PackedRecord>(store, id, "record");
  return (record?.events ?? []).map(([at, event]) => [at, ["e", event]]);
}

async function readPacked<Form extends PackedTexts | PackedRecord>(
  { redis, keys }: Store,
  id: ReportId,
  part: "texts" | "record",
): Promise<Form | null> {
  const packed = await redis.hgetBuffer(keys.packed(id), part);
  const text = packed === null ? undefined : textOf(packed);
  return text === undefined ? null : (JSON.parse(text) as Form);
}
