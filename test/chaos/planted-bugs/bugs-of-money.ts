/** Bugs that move credits wrongly. */
import type { PlantedBug } from "./planted-bug.ts";

export const BUGS_OF_MONEY: readonly PlantedBug[] = [
  {
    name: "no operation id",
    because:
      "A script that is sent again for a lost reply does its work again: the same order is held for twice.",
    caughtBy: [1, 2, 3, 5],
    scenario: "deaths",
    edits: [
      {
        file: "store/admit.ts",
        from: "if turn_before then return {'admitted', id, turn_before} end\n",
        to: "",
      },
      {
        file: "store/admit.ts",
        from: "if known[1] == ARGV[10] then return {'repeated', known[2]} end",
        to: "if known[1] == ARGV[10] then known = {} end",
      },
      {
        file: "store/admit.ts",
        from: "return {'conflict', known[2]}",
        to: "if known[1] then return {'conflict', known[2]} end",
      },
      { file: "store/admit.ts", from: "if open and s[2] == ARGV[7] then", to: "if false then" },
    ],
  },
  {
    name: "commit before delivery",
    because: "Credits are taken when the writing begins: who cancels or gets nothing has paid.",
    caughtBy: [4],
    scenario: "provider",
    edits: [
      {
        file: "store/report-transitions.ts",
        from: "redis.call('HDEL', KEYS[1], 'postponed')\n",
        to: `redis.call('HDEL', KEYS[1], 'postponed')
if ARGV[2] == '1' then
  local root = string.match(KEYS[1], '^(.-):report:')
  local a = redis.call('HMGET', KEYS[1], 'account', 'credits', 'holdId')
  redis.call('HINCRBY', root .. ':account:' .. a[1], 'held', '-' .. a[2])
  redis.call('HINCRBY', root .. ':account:' .. a[1], 'committed', a[2])
  local row = redis.call('HINCRBY', root .. ':account:' .. a[1], 'entries', 1)
  redis.call('XADD', root .. ':ledger:' .. a[1], row .. '-0', 'verb', 'commit', 'credits', a[2], 'reference', a[3], 'report', ARGV[4], 'at', now)
  redis.call('HSET', root .. ':hold:' .. a[3], 'status', 'committed', 'committed', a[2])
  redis.call('ZREM', root .. ':holds', a[3])
end
`,
      },
      { file: "store/deliver.ts", from: "if hold[1] ~= 'reserved' then return 'no_hold' end", to: "" },
      {
        file: "store/deliver.ts",
        from: "end_hold(KEYS[3]",
        to: "type(KEYS[3]",
      },
    ],
  },
  {
    name: "reverse on needs_review",
    because: "The hold goes back when a person is asked; what is delivered afterwards was never paid.",
    caughtBy: [4],
    scenario: "provider",
    edits: [
      {
        file: "store/report-transitions.ts",
        from: "redis.call('HSET', KEYS[1], 'failure', ARGV[3], 'updatedAt', now)\n",
        to: `redis.call('HSET', KEYS[1], 'failure', ARGV[3], 'updatedAt', now)
local root = string.match(KEYS[1], '^(.-):report:')
local a = redis.call('HMGET', KEYS[1], 'account', 'credits', 'holdId')
if redis.call('HGET', root .. ':hold:' .. a[3], 'status') == 'reserved' then
  redis.call('HINCRBY', root .. ':account:' .. a[1], 'held', '-' .. a[2])
  redis.call('HINCRBY', root .. ':account:' .. a[1], 'available', a[2])
  local row = redis.call('HINCRBY', root .. ':account:' .. a[1], 'entries', 1)
  redis.call('XADD', root .. ':ledger:' .. a[1], row .. '-0', 'verb', 'reverse', 'credits', a[2], 'reference', a[3], 'report', ARGV[2], 'at', now)
  redis.call('HSET', root .. ':hold:' .. a[3], 'status', 'reversed')
  redis.call('ZREM', root .. ':holds', a[3])
end
`,
      },
    ],
  },
  {
    name: "floats in money",
    because: "A part of a report is worth a fraction of its price, and fractions of credits do not add up.",
    caughtBy: [1, 2, 3],
    scenario: "people",
    edits: [
      {
        file: "domain/credits.ts",
        from: "return Math.min(price, Math.floor((price * weightOf(delivered)) / weightOf(all)));",
        to: "return Math.min(price, (price * weightOf(delivered)) / weightOf(all));",
      },
      {
        file: "store/deliver.ts",
        from: "Number.isInteger(partial.commitCredits)",
        to: "Number.isFinite(partial.commitCredits)",
      },
      {
        file: "store/deliver.ts",
        from: "redis.call('HINCRBY', KEYS[1], 'committed', plus(commit))",
        to: "redis.call('HINCRBYFLOAT', KEYS[1], 'committed', plus(commit))",
      },
      {
        file: "store/script.ts",
        from: "string.format('%d', amount)",
        to: "string.format('%.15g', amount + 0)",
      },
      {
        file: "store/credits.ts",
        from: "redis.call('HINCRBY', account_key, from, minus(credits)) else redis.call('HINCRBY', account_key, 'deposits', plus(credits)) end\n  redis.call('HINCRBY', account_key, to, plus(credits))",
        to: "redis.call('HINCRBYFLOAT', account_key, from, minus(credits)) else redis.call('HINCRBYFLOAT', account_key, 'deposits', plus(credits)) end\n  redis.call('HINCRBYFLOAT', account_key, to, plus(credits))",
      },
    ],
  },
  {
    name: "done before persist",
    because: "The report is delivered before its document is saved; who dies in between has sold nothing.",
    caughtBy: [4, 7],
    scenario: "deaths",
    edits: [
      {
        file: "workers/advance-report.ts",
        from: "    saveArtefact(store, artefact, hash),\n    deliver(store, stored.report, hash, termsOf(stored, type, sections)),\n  ]);\n",
        to: "    null,\n    deliver(store, stored.report, hash, termsOf(stored, type, sections)),\n  ]);\n  await saveArtefact(store, artefact, hash);\n",
      },
      {
        file: "store/deliver.ts",
        from: "if redis.call('HEXISTS', KEYS[2], 'document:' .. ARGV[4]) == 0 then return 'no_artefact' end\n",
        to: "",
      },
    ],
  },
];
