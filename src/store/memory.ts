/**
 * The memory budget: Redis must keep room to finish what it has begun, since with full memory it refuses the writes of
 * BullMQ as well, and locks are lost while calls are paid for.
 *
 *     below 70 %   everything
 *     from 70 %    no new orders: submit is refused, the intake stream waits
 *     from 85 %    no section is begun either: it waits, without an attempt; what is begun goes on to its end
 *     100 %        Redis refuses; what saves, settles or ends work is allowed even then (`savingScript`)
 *
 * The scripts that admit and claim look at it themselves, so every door is held to it and nothing acts on an old figure.
 * It costs them about 8 µs. Without `maxmemory` there is no budget.
 */
const STOP_ORDERS_AT = 0.7;
const STOP_SECTIONS_AT = 0.85;

export type MemoryStage = "ample" | "no_new_orders" | "no_new_sections";

export function budgetOf(memory: { usedBytes: number; maxBytes: number }): {
  stage: MemoryStage;
  usedShare: number;
} {
  const usedShare = memory.maxBytes === 0 ? 0 : memory.usedBytes / memory.maxBytes;
  const stage =
    usedShare >= STOP_SECTIONS_AT
      ? "no_new_sections"
      : usedShare >= STOP_ORDERS_AT
        ? "no_new_orders"
        : "ample";
  return { stage, usedShare };
}

/** `memory_stops_orders` and `memory_stops_sections` answer the percentage in use, or nil while there is room. */
export const MEMORY_LUA = `
local function memory_over(limit)
  local info = redis.pcall('INFO', 'memory')
  -- A user that may not ask has no budget, and Redis's own refusal at the end.
  if type(info) ~= 'string' then return nil end
  local max = tonumber(string.match(info, '\\nmaxmemory:(%d+)') or '0')
  if max == 0 then return nil end
  local used = tonumber(string.match(info, '\\nused_memory:(%d+)') or '0') - tonumber(string.match(info, '\\nmem_not_counted_for_evict:(%d+)') or '0')
  return used >= max * limit and tostring(math.floor(used * 100 / max)) or nil
end
local function memory_stops_orders() return memory_over(${STOP_ORDERS_AT}) end
local function memory_stops_sections() return memory_over(${STOP_SECTIONS_AT}) end
`;
