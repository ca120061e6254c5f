/** Bugs that lose work, do it twice or let the wrong one do it. */
import type { PlantedBug } from "./planted-bug.ts";

export const BUGS_OF_WORK: readonly PlantedBug[] = [
  {
    name: "no fence",
    because: "A worker that wakes up after its section was handed on goes on writing it.",
    caughtBy: [11, 13, 10],
    scenario: "zombies",
    edits: [
      {
        file: "store/calls.ts",
        from: "if s[1] ~= ARGV[1] or s[3] ~= 'running' or not s[2] or s[2] == '' then return {'superseded'} end",
        to: "",
      },
      { file: "store/sections.ts", from: "if fence ~= ARGV[1] then return 'superseded' end", to: "" },
      { file: "store/sections.ts", from: "if s[4] ~= ARGV[1] then return 'superseded' end", to: "" },
    ],
  },
  {
    name: "acknowledged before the outbox",
    because: "An order is answered before anything will wake it; if its process dies now, it waits for ever.",
    caughtBy: [12],
    scenario: "deaths",
    edits: [
      { file: "store/admit.ts", from: "redis.call('ZADD', KEYS[9], now, id)\n", to: "" },
      {
        file: "store/admit.ts",
        from: "redis.call('ZADD', KEYS[10], now + tonumber(ARGV[11]), id)\n",
        to: "",
      },
    ],
  },
  {
    name: "sweeper off",
    because: "Nobody looks for what the dead had in hand.",
    caughtBy: [12],
    scenario: "deaths",
    edits: [
      {
        file: "workers/sweeper.ts",
        from: "    await this.#handOnWorkOfTheDead();\n    await this.#emptyOutbox();\n    await this.#ringOverdue();\n",
        to: "",
      },
      {
        file: "workers/sweeper.ts",
        from: "      await handOnWorkOfTheGone(this.#workshop);\n",
        to: "",
      },
    ],
  },
  {
    name: "cancel race",
    because: "A cancellation is a note that nobody reads before the next call.",
    caughtBy: [17],
    scenario: "people",
    edits: [
      {
        file: "store/calls.ts",
        from: "if r[1] ~= 'running' and r[1] ~= 'waiting_for_retry' then return {'superseded'} end\n",
        to: "",
      },
      {
        file: "store/processes.ts",
        from: "if not status or status == 'cancelled' or status == 'failed' then table.insert(ended, report) end",
        to: "",
      },
    ],
  },
  {
    name: "checkpoint without tag",
    because: "What lies in the store is taken for what was stored.",
    caughtBy: [20],
    scenario: "zombies",
    edits: [
      {
        file: "store/packed.ts",
        from: "if (!hashOf(bytes).equals(stored)) return",
        to: "if (hashOf(bytes).length !== stored.length) return",
      },
    ],
  },
  {
    name: "job data as truth",
    because: "A job that comes twice is believed: what is finished is written again.",
    caughtBy: [13, 11],
    scenario: "deaths",
    edits: [
      {
        file: "store/sections.ts",
        from: "if status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry' then return {'finished'} end\n",
        to: "",
      },
    ],
  },
  {
    name: "BullMQ's own parent policy",
    because: "A parent waits for ever for a child that has failed, and the sweeper takes that one for open.",
    caughtBy: [12],
    scenario: "provider",
    edits: [
      { file: "store/queues.ts", from: "          ignoreDependencyOnFailure: true,\n", to: "" },
      { file: "store/queues.ts", from: ' && typeof finished !== "string"', to: "" },
    ],
  },
];
