/** Asks a provider for its list of models: whether the key is taken, and at no cost. */
import type { RouteConfig } from "./models.ts";

export type Probe =
  /** The key is taken; `known` says whether the model is on the list. */
  | { outcome: "listed"; known: boolean }
  /** The endpoint answers and has no such list; that says nothing about key and model. */
  | { outcome: "no_list" }
  | { outcome: "refused"; status: number }
  | { outcome: "unreachable"; because: string };

const ANSWER_WITHIN_MS = 10_000;

export async function probeModels(route: Pick<RouteConfig, "baseUrl" | "apiKey" | "model">): Promise<Probe> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${route.baseUrl}/models`, {
      headers: { authorization: `Bearer ${route.apiKey}` },
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    body = await response.json().catch(() => null);
  } catch (error) {
    return { outcome: "unreachable", because: reasonOf(error) };
  }
  if (response.status === 404 || response.status === 405) return { outcome: "no_list" };
  if (!response.ok) return { outcome: "refused", status: response.status };
  const models = typeof body === "object" && body !== null && "data" in body ? body.data : null;
  if (!Array.isArray(models)) return { outcome: "no_list" };
  return {
    outcome: "listed",
    known: models.some((model: unknown) => isRecord(model) && model["id"] === route.model),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The code of what the network said; `fetch failed` helps nobody. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const { cause } = error;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause.code;
  return error.name === "TimeoutError" ? "no answer within 10 s" : error.message;
}
