import { createHash } from "node:crypto";
import { findProvider } from "@pydantic/genai-prices";
import { FleetError } from "../domain/fleet-error.ts";
import type { Route } from "./port.ts";

export type RouteSettings = Omit<Route, "id" | "provider">;

/** A route from checked configuration. The key itself never becomes part of a name, only the start of its hash. */
export function routeFromSettings(settings: RouteSettings): Route {
  const { host } = urlOf(settings.baseUrl);
  const key = createHash("sha256").update(settings.apiKey).digest("hex").slice(0, 8);
  return {
    ...settings,
    id: `${host}/${settings.model}#${key}`,
    provider: providerOf(settings.baseUrl),
  };
}

/** The price library's name of whoever serves this address; null for private servers and unknown gateways. */
export function providerOf(baseUrl: string): string | null {
  // Without credentials and query, so that only the host and the path can decide.
  const { origin, pathname } = urlOf(baseUrl);
  return findProvider({ providerApiUrl: origin + pathname })?.id ?? null;
}

function urlOf(baseUrl: string): URL {
  const url = URL.parse(baseUrl);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new FleetError(
      "usage",
      `The base URL ${JSON.stringify(baseUrl)} is not an http or https address. Give the address that ends before /chat/completions, for example https://api.openai.com/v1.`,
    );
  return url;
}
