import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, nat, property } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NO_OVERRIDES, costMicros, estimateMicros, loadPriceFile, priceOf } from "../../../src/llm/prices.ts";

const NOON = new Date("2026-06-30T12:00:00Z");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "prices-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function aPriceFile(content: unknown): string {
  const path = join(folder, "prices.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function known(model: string, provider: string | null, overrides = NO_OVERRIDES) {
  const price = priceOf(model, provider, overrides, NOON);
  if (price === null) throw new Error(`${model} has no price.`);
  return price;
}

describe("where a price comes from", () => {
  test("a model of a known provider costs what the price library says, in whole micro-USD", () => {
    expect(known("gpt-4o-mini", "openai")).toEqual({
      inputPerMTok: 150_000,
      cachedInputPerMTok: 75_000,
      outputPerMTok: 600_000,
      table: expect.stringMatching(/^genai-prices@\d+\.\d+\.\d+$/),
      contextTokens: 128_000,
      maxOutputTokens: null,
    });
  });

  test("a model that nobody knows has no price, so that nothing starts with it", () => {
    expect(priceOf("gpt-of-the-future", "openai", NO_OVERRIDES, NOON)).toBeNull();
    expect(priceOf("gpt-4o-mini", "a-provider-of-the-future", NO_OVERRIDES, NOON)).toBeNull();
  });

  test("the name of a model proves nothing on a private server", () => {
    expect(priceOf("gpt-4o-mini", null, NO_OVERRIDES, NOON)).toBeNull();
  });

  test("the price file wins over the library, and names itself on the books", () => {
    const overrides = loadPriceFile(aPriceFile({ "gpt-4o-mini": { inputPerMTok: 1.5, outputPerMTok: 2 } }));
    expect(known("gpt-4o-mini", "openai", overrides)).toEqual({
      inputPerMTok: 1_500_000,
      cachedInputPerMTok: 1_500_000,
      outputPerMTok: 2_000_000,
      table: expect.stringMatching(/^price-file@[0-9a-f]{8}$/),
      contextTokens: null,
      maxOutputTokens: null,
    });
  });

  test("zero is a price", () => {
    const overrides = loadPriceFile(aPriceFile({ local: { inputPerMTok: 0, outputPerMTok: 0 } }));
    const price = known("local", null, overrides);
    expect(costMicros(price, { inputTokens: 9_000, cachedInputTokens: 0, outputTokens: 500 })).toBe(0);
  });

  test("a tiered price holds for the context of its first tier, and no longer context is sold at it", () => {
    const price = known("gemini-2.5-pro", "google");
    expect(price.inputPerMTok).toBe(1_250_000);
    expect(price.contextTokens).toBe(200_000);
  });

  test("of prices that change with the hour the dearest one counts, whenever the fleet starts", () => {
    const prices = [0, 6, 12, 18, 23].map((hour) => {
      const start = new Date(NOON);
      start.setUTCHours(hour);
      return priceOf("deepseek-chat", "deepseek", NO_OVERRIDES, start);
    });
    for (const price of prices)
      expect(price).toMatchObject({ inputPerMTok: 270_000, outputPerMTok: 1_100_000 });
  });

  test("simulated models have a price, so that the spend of the demo can be seen", () => {
    expect(known("simulated-writer", null).table).toBe("simulated");
    expect(known("simulated-writer", null).outputPerMTok).toBeGreaterThan(0);
  });
});

describe("a price file that is wrong", () => {
  test.each([
    ["is no JSON", "{", /cannot be read/],
    ["names a price in a wrong unit", { m: { inputPerMTok: 1e9, outputPerMTok: 1 } }, /m\.inputPerMTok/],
    ["forgets a price", { m: { inputPerMTok: 1 } }, /m\.outputPerMTok/],
    ["has a negative price", { m: { inputPerMTok: -1, outputPerMTok: 1 } }, /m\.inputPerMTok/],
    [
      "has a field that nobody reads",
      { m: { inputPerMTok: 1, outputPerMTok: 1, cacheMTok: 1 } },
      /cacheMTok/,
    ],
    ["is a list", [], /record|object/i],
  ])("is refused with the field named when it %s", (_name, content, message) => {
    expect(() => loadPriceFile(aPriceFile(content))).toThrow(message);
  });

  test("is refused when it is not there", () => {
    expect(() => loadPriceFile(join(folder, "nowhere.json"))).toThrow(/nowhere\.json cannot be read/);
  });
});

describe("what a call costs", () => {
  const price = { ...known("gpt-4o-mini", "openai") };

  test("cached tokens are a cheaper part of the input", () => {
    const tokens = { inputTokens: 1_000_000, cachedInputTokens: 400_000, outputTokens: 0 };
    expect(costMicros(price, tokens)).toBe(0.6 * 150_000 + 0.4 * 75_000);
  });

  test("a fraction of a micro-dollar is rounded up, once", () => {
    expect(costMicros(price, { inputTokens: 1, cachedInputTokens: 0, outputTokens: 0 })).toBe(1);
    expect(costMicros(price, { inputTokens: 1, cachedInputTokens: 1, outputTokens: 1 })).toBe(1);
  });

  test("it is a whole number, and never above the estimate that was made before", () => {
    const tokens = nat({ max: 50_000_000 });
    assert(
      property(tokens, tokens, tokens, (input, cached, output) => {
        const cost = costMicros(price, {
          inputTokens: input,
          cachedInputTokens: cached,
          outputTokens: output,
        });
        expect(Number.isSafeInteger(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(0);
        expect(cost).toBeLessThanOrEqual(estimateMicros(price, input, output));
      }),
    );
  });
});
