/**
 * One piece of evidence, read once: whatever the surface, rules see the same few facts, bounded and lower case where
 * they are compared. Nothing here judges.
 */
import type { Stage, Surface } from "../domain/evidence.ts";
import { readCompletion } from "./read-completion.ts";
import type { CompletionFacts } from "./read-completion.ts";
import { isMarkup, layerOfText, unwrap } from "./unwrap.ts";
import type { Layer } from "./unwrap.ts";
import { isObject, statusOf, textOf } from "./untrusted.ts";
import type { JsonObject } from "./untrusted.ts";

/** One error of a JavaScript `cause` chain. */
export interface ErrorLink {
  name: string;
  code: string;
  message: string;
}

export interface Reading {
  stage: Stage;
  surface: Surface;
  stream: boolean;
  /** The innermost status that was named, else the one of the response, else null. */
  status: number | null;
  headers: Readonly<Record<string, string>>;
  /** What was said about an error, innermost first; empty where nobody spoke of one. */
  layers: readonly Layer[];
  /** The causes, innermost first. */
  chain: readonly ErrorLink[];
  /** The body was a web page. */
  page: boolean;
  /** A response arrived and its status was a success. */
  succeeded: boolean;
  /** What came with a success status, or null where none did. */
  completion: CompletionFacts | null;
  text: string | null;
  schemaHint: unknown;
  domain: { code: string; message: string } | null;
}

const STAGES: readonly string[] = ["config", "load", "generate", "parse", "save"] satisfies Stage[];
const SURFACES: readonly string[] = [
  "http",
  "network",
  "completion",
  "parse",
  "redis",
  "disk",
  "domain",
] satisfies Surface[];

const MAX_CAUSES = 10;
const MAX_HEADERS = 200;

export function readEvidence(given: unknown): Reading {
  const evidence = isObject(given) ? given : {};
  const surface = surfaceOf(evidence);
  const http = isObject(evidence["http"]) ? evidence["http"] : null;
  const httpStatus = http === null ? null : statusOf(http["status"]);
  const headers = headersOf(http?.["headers"]);
  const succeeded = httpStatus === null || (httpStatus >= 200 && httpStatus < 300);
  const body = http?.["body"] ?? null;
  const page =
    typeof body === "string" && isMarkup(body) && !/^\s*(?:<\?xml|<error>)/i.test(body.slice(0, 100));
  const chain = chainOf(evidence["node"]);
  const answer = succeeded && chain.length === 0 ? (evidence["completion"] ?? body) : null;
  const answered = answer !== null || (httpStatus !== null && succeeded && chain.length === 0);
  const completion = answered || surface === "completion" ? readCompletion(answer) : null;
  const layers = layersOf(evidence, succeeded ? completion?.error : body, chain, headers);
  return {
    stage: stageOf(evidence, surface),
    surface,
    stream: evidence["stream"] === true,
    status: statusFrom(layers, succeeded ? null : httpStatus, chain),
    headers,
    layers,
    chain,
    page,
    succeeded: httpStatus !== null && succeeded,
    completion,
    text: typeof evidence["text"] === "string" ? evidence["text"] : null,
    schemaHint: evidence["schemaHint"],
    domain: domainOf(evidence["domain"]),
  };
}

/** Everything that was said, for rules that ask what is mentioned anywhere. */
export function saidAnywhere(reading: Reading): string {
  return [
    ...reading.layers.map((layer) => `${layer.label}\n${layer.text}`),
    ...reading.chain.map((link) => `${link.name} ${link.code}\n${link.message}`),
  ]
    .join("\n")
    .toLowerCase();
}

function layersOf(
  evidence: JsonObject,
  said: unknown,
  chain: readonly ErrorLink[],
  headers: Readonly<Record<string, string>>,
): Layer[] {
  const layers = unwrap(said ?? null).toReversed();
  for (const link of chain) {
    const inner = unwrap(link.message).toReversed();
    layers.push(...inner.slice(0, -1), {
      ...layerOfText(link.message, `${link.name} ${link.code}`),
      ...statusOnly(inner),
    });
  }
  const redis = isObject(evidence["redis"]) ? textOf(evidence["redis"]["message"]) : null;
  if (redis !== null && !layers.some((layer) => layer.message === redis)) layers.push(layerOfText(redis));
  const domain = domainOf(evidence["domain"]);
  if (domain !== null) layers.unshift(layerOfText(domain.message, domain.code));
  // Bedrock names the type of its error only in a header.
  const headerType = headers["x-amzn-errortype"] ?? headers["x-error-code"] ?? headers["x-ms-error-code"];
  const innermost = layers[0];
  if (headerType !== undefined) {
    const label = headerType.split(":")[0]?.toLowerCase() ?? "";
    if (innermost === undefined) layers.push(layerOfText("", label));
    else layers[0] = { ...innermost, label: `${innermost.label} ${label}` };
  }
  return layers;
}

function statusOnly(inner: readonly Layer[]): Pick<Layer, "status"> {
  return { status: inner.at(-1)?.status ?? null };
}

function statusFrom(
  layers: readonly Layer[],
  httpStatus: number | null,
  chain: readonly ErrorLink[],
): number | null {
  const named = layers.find((layer) => layer.status !== null && layer.status >= 400)?.status;
  if (named !== undefined) return named;
  const code = chain.map((link) => statusOf(link.code)).find((status) => status !== null && status >= 400);
  return httpStatus ?? code ?? null;
}

function headersOf(given: unknown): Readonly<Record<string, string>> {
  if (!isObject(given)) return {};
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(given).slice(0, MAX_HEADERS)) {
    const text = Array.isArray(value) ? textOf(value[0]) : textOf(value);
    if (text !== null) headers[name.toLowerCase()] = text.slice(0, 1_000);
  }
  return headers;
}

function chainOf(given: unknown): ErrorLink[] {
  const links: ErrorLink[] = [];
  const seen = new Set<unknown>();
  let current = given;
  while (isObject(current) && links.length < MAX_CAUSES && !seen.has(current)) {
    seen.add(current);
    const message = textOf(current["message"]) ?? "";
    const name = textOf(current["name"]) ?? "";
    const code = textOf(current["code"]) ?? textOf(current["status"]) ?? "";
    if (message !== "" || name !== "" || code !== "") links.push({ name, code, message });
    current = current["cause"];
  }
  return links.toReversed();
}

function domainOf(given: unknown): { code: string; message: string } | null {
  if (!isObject(given)) return null;
  const code = textOf(given["code"]) ?? "";
  const message = textOf(given["message"]) ?? "";
  const path = textOf(given["path"]);
  if (code === "" && message === "") return null;
  return { code, message: path === null || message.includes(path) ? message : `${path}: ${message}` };
}

function surfaceOf(evidence: JsonObject): Surface {
  const named = evidence["surface"];
  if (typeof named === "string" && SURFACES.includes(named)) return named as Surface;
  if (isObject(evidence["http"])) return "http";
  if (evidence["completion"] !== null && evidence["completion"] !== undefined) return "completion";
  if (isObject(evidence["redis"])) return "redis";
  if (typeof evidence["text"] === "string") return "parse";
  return isObject(evidence["domain"]) ? "domain" : "network";
}

/** The caller knows the stage; a line from a log may not say it, and then the surface is the best guess. */
function stageOf(evidence: JsonObject, surface: Surface): Stage {
  const named = evidence["stage"];
  if (typeof named === "string" && STAGES.includes(named)) return named as Stage;
  return surface === "parse" ? "parse" : "generate";
}
