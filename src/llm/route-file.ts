/**
 * The file that ROUTES names: ordered routes per logical model. Keys are not in it; each route names the environment
 * variable that holds its key.
 *
 *     { "default": [ { "baseUrl": "https://api.openai.com/v1", "apiKeyEnv": "OPENAI_API_KEY", "model": "gpt-4o-mini",
 *                      "requestsPerMinute": 500, "tokensPerMinute": 200000, "concurrency": 50 },
 *                    { "baseUrl": "http://10.0.0.5:8000/v1", "apiKeyEnv": "LOCAL_KEY", "model": "our-writer" } ] }
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { FleetError } from "../domain/fleet-error.ts";
import type { RouteConfig } from "./models.ts";
import { RESPONSE_FORMATS } from "./port.ts";

const limit = z.int().positive().nullable().default(null);

const routeFile = z.record(
  z.string(),
  z
    .array(
      z.strictObject({
        baseUrl: z.url({ protocol: /^https?$/ }),
        apiKeyEnv: z.string().min(1),
        model: z.string().min(1),
        responseFormat: z.enum(RESPONSE_FORMATS).default("auto"),
        stream: z.boolean().default(false),
        requestsPerMinute: limit,
        tokensPerMinute: limit,
        concurrency: limit,
      }),
    )
    .min(1),
);

/** `keyOf` reads an environment variable; a route without its key refuses to start. */
export function loadRouteFile(
  path: string,
  keyOf: (variable: string) => string | null,
): Record<string, RouteConfig[]> {
  const parsed = routeFile.safeParse(readJson(path));
  if (!parsed.success)
    throw new FleetError(
      "usage",
      `The route file ${path} is not as expected:\n${z.prettifyError(parsed.error)}`,
    );
  return Object.fromEntries(
    Object.entries(parsed.data).map(([model, routes]) => [
      model,
      routes.map(({ apiKeyEnv, requestsPerMinute, tokensPerMinute, concurrency, ...route }): RouteConfig => {
        const apiKey = keyOf(apiKeyEnv);
        if (apiKey === null)
          throw new FleetError(
            "usage",
            `The route file ${path} wants the key for "${model}" in ${apiKeyEnv}, which is not set.`,
          );
        return { ...route, apiKey, limits: { requestsPerMinute, tokensPerMinute, concurrency } };
      }),
    ]),
  );
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new FleetError(
      "usage",
      `The route file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
