/**
 * What a token costs: a kept price library behind a price file of our own.
 *
 * The file wins over the built-in rows of the simulated models, and those over the library. A model that none of them
 * knows has no price, and whoever asked refuses to start: a missing price is never zero, while `0` is a price.
 *
 * A `Price` is one flat row, so that a cost can be computed again from three integers years later. Where the library has
 * more than that, the row is chosen so that it cannot be too low: a tiered model is limited to the context of its first
 * tier (the price file lifts that), and of prices that change with the hour the dearest one counts.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { calcPrice } from "@pydantic/genai-prices";
import { z } from "zod";
import type { TokenUsage } from "../domain/call.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { MicroUsd } from "../domain/ids.ts";
import type { Price } from "./port.ts";

/** The rows of a price file, in US dollars per million tokens as price lists print them. */
export interface PriceOverrides {
  table: string;
  models: ReadonlyMap<string, PriceFileRow>;
}

export const NO_OVERRIDES: PriceOverrides = { table: "none", models: new Map() };

/** A typing error of a factor of a thousand ends here, and every product stays a safe integer. */
const usdPerMTok = z.number().min(0).max(10_000);
const tokenLimit = z.int().positive().max(100_000_000);
const priceFileRow = z.strictObject({
  inputPerMTok: usdPerMTok,
  /** Absent: cached tokens cost what others do. */
  cachedInputPerMTok: usdPerMTok.optional(),
  outputPerMTok: usdPerMTok,
  contextTokens: tokenLimit.optional(),
  maxOutputTokens: tokenLimit.optional(),
});
const priceFile = z.record(z.string().min(1), priceFileRow);
export type PriceFileRow = z.infer<typeof priceFileRow>;

const SIMULATED_LIMITS = { contextTokens: 128_000, maxOutputTokens: 16_384 };
const SIMULATED: ReadonlyMap<string, PriceFileRow> = new Map([
  [
    "simulated-writer",
    { inputPerMTok: 0.4, cachedInputPerMTok: 0.1, outputPerMTok: 1.6, ...SIMULATED_LIMITS },
  ],
  [
    "simulated-critic",
    { inputPerMTok: 0.1, cachedInputPerMTok: 0.025, outputPerMTok: 0.4, ...SIMULATED_LIMITS },
  ],
  [
    "simulated-frontier",
    { inputPerMTok: 2.5, cachedInputPerMTok: 0.25, outputPerMTok: 15, ...SIMULATED_LIMITS },
  ],
]);
export const SIMULATED_MODELS: readonly string[] = [...SIMULATED.keys()];

export function loadPriceFile(path: string): PriceOverrides {
  let bytes: Buffer;
  let json: unknown;
  try {
    bytes = readFileSync(path);
    json = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FleetError("usage", `The price file ${path} cannot be read: ${why}`, { cause: error });
  }
  const parsed = priceFile.safeParse(json);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => ({
      path: issue.path.join("."),
      message: issue.message,
    }));
    const list = fields.map((field) => `${field.path || "(top level)"}: ${field.message}`).join("; ");
    throw new FleetError(
      "usage",
      `The price file ${path} is not valid (${list}). Each model needs inputPerMTok and outputPerMTok in US dollars per million tokens.`,
      { fields },
    );
  }
  const version = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  return { table: `price-file@${version}`, models: new Map(Object.entries(parsed.data)) };
}

/** Null where nobody knows the price. `now` only chooses between dated rows of the library. */
export function priceOf(
  model: string,
  provider: string | null,
  overrides: PriceOverrides,
  now: Date = new Date(),
): Price | null {
  const own = overrides.models.get(model);
  if (own !== undefined) return fromRow(own, overrides.table);
  const simulated = SIMULATED.get(model);
  if (simulated !== undefined) return fromRow(simulated, "simulated");
  // Without a provider a name proves nothing: a private server may call its model anything.
  return provider === null ? null : fromLibrary(model, provider, now);
}

function fromRow(row: PriceFileRow, table: string): Price {
  return {
    inputPerMTok: microsOf(row.inputPerMTok),
    cachedInputPerMTok: microsOf(row.cachedInputPerMTok ?? row.inputPerMTok),
    outputPerMTok: microsOf(row.outputPerMTok),
    table,
    contextTokens: row.contextTokens ?? null,
    maxOutputTokens: row.maxOutputTokens ?? null,
  };
}

/** Rounded to nine digits first: 0.15 dollars must not become 150,001 micro-USD by binary fractions. */
function microsOf(usd: number): MicroUsd {
  return Math.ceil(Number((usd * 1_000_000).toFixed(3)));
}

const LIBRARY_TABLE = `genai-prices@${libraryVersion()}`;
const HOURS_OF_A_DAY = 24;

function fromLibrary(model: string, provider: string, now: Date): Price | null {
  let dearest: Price | null = null;
  for (let hour = 0; hour < HOURS_OF_A_DAY; hour += 1) {
    const timestamp = new Date(now);
    timestamp.setUTCHours(hour, 45, 0, 0);
    const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model, {
      providerId: provider,
      timestamp,
    });
    if (found === null) return null;
    const rates = found.model_price;
    const input = firstTier(rates["input_mtok"]);
    const output = firstTier(rates["output_mtok"]);
    // A model that is not sold by text tokens (speech, images) has no price here.
    if (input === null || output === null) return null;
    const cached = firstTier(rates["cache_read_mtok"]) ?? input;
    const limits = [found.model.context_window, input.untilTokens, output.untilTokens, cached.untilTokens];
    const contextTokens = Math.min(...limits.filter((limit) => limit !== undefined));
    const price: Price = {
      inputPerMTok: microsOf(input.usd),
      cachedInputPerMTok: microsOf(cached.usd),
      outputPerMTok: microsOf(output.usd),
      table: LIBRARY_TABLE,
      contextTokens: Number.isFinite(contextTokens) ? contextTokens : null,
      maxOutputTokens: null,
    };
    if (dearest === null || price.inputPerMTok + price.outputPerMTok > sumOf(dearest)) dearest = price;
  }
  return dearest;
}

function sumOf(price: Price): number {
  return price.inputPerMTok + price.outputPerMTok;
}

type LibraryRate = number | { base: number; tiers: readonly { start: number }[] } | undefined;

function firstTier(rate: LibraryRate): { usd: number; untilTokens?: number } | null {
  if (rate === undefined) return null;
  if (typeof rate === "number") return { usd: rate };
  const starts = rate.tiers.map((tier) => tier.start);
  return starts.length === 0 ? { usd: rate.base } : { usd: rate.base, untilTokens: Math.min(...starts) };
}

/** Read from the package itself, so that the name of the table cannot lag behind an upgrade. */
function libraryVersion(): string {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("@pydantic/genai-prices");
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", `file://${entry}`), "utf8"));
  return z.object({ version: z.string() }).parse(manifest).version;
}

/** Rounded up, once. Cached tokens are a part of the input, reasoning tokens a part of the output. */
export function costMicros(
  price: Price,
  tokens: Pick<TokenUsage, "inputTokens" | "cachedInputTokens" | "outputTokens">,
): MicroUsd {
  const cached = Math.min(tokens.cachedInputTokens, tokens.inputTokens);
  // In BigInt: a dear model times a large prompt leaves the integers a double can hold.
  const millionths =
    BigInt(tokens.inputTokens - cached) * BigInt(price.inputPerMTok) +
    BigInt(cached) * BigInt(price.cachedInputPerMTok) +
    BigInt(tokens.outputTokens) * BigInt(price.outputPerMTok);
  return Number((millionths + 999_999n) / 1_000_000n);
}

/** The most a call can cost: nothing cached, and the whole output limit used. */
export function estimateMicros(price: Price, inputTokens: number, maxOutputTokens: number): MicroUsd {
  return costMicros(price, { inputTokens, cachedInputTokens: 0, outputTokens: maxOutputTokens });
}
