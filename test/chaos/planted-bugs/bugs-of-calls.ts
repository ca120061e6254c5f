/** Bugs that ask a provider when they must not, or do not say that they did. */
import type { PlantedBug } from "./planted-bug.ts";

export const BUGS_OF_CALLS: readonly PlantedBug[] = [
  {
    name: "Retry-After ignored",
    because: "Who was told to wait waits; the others do not hear of it.",
    caughtBy: [16],
    scenario: "provider",
    edits: [
      {
        file: "workers/answer-for.ts",
        from: "const outcome = { billing, failure: summaryOf(failure), elapsedMs, stayAwayMs };",
        to: "const outcome = { billing, failure: summaryOf(failure), elapsedMs, stayAwayMs: 0 };",
      },
    ],
  },
  {
    name: "half-open unlimited",
    because: "A type on trial is written for everybody who waits.",
    caughtBy: [15],
    scenario: "trial",
    edits: [
      {
        file: "store/breakers.ts",
        from: "if not mine and redis.call('ZCARD', probes) + tonumber(b[2] or '0') >= tonumber(b[1] or '${FALLBACK.probes}') then return 'open' end",
        to: "",
      },
    ],
  },
  {
    name: "SDK retries on",
    because: "The client asks again by itself, and the books know of one request.",
    caughtBy: [8],
    scenario: "provider",
    edits: [
      {
        file: "llm/openai-client.ts",
        from: `await fillExchange(exchange, limits, { url, method: "POST", headers, body });`,
        to: `for (let tries = 1; tries <= 3; tries++) {
    exchange.error = null;
    await fillExchange(exchange, limits, { url, method: "POST", headers, body });
    if (exchange.error === null && (exchange.status ?? 500) < 500) break;
  }`,
      },
    ],
  },
];
