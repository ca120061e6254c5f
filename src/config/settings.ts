/** The settings for people: as the page of settings lists them, and as they are in force. */
import { z } from "zod";
import { environment, givenOf, meaningOf, parseEnvironment, type Meaning } from "./environment.ts";

/** One line of docs/configuration.md. */
export interface Setting extends Meaning {
  name: string;
  /** What may be set, as JSON Schema. */
  schema: Readonly<Record<string, unknown>>;
  /** Null where there is none. */
  fallback: string | number | null;
}

export function listSettings(): Setting[] {
  const { properties = {} } = z.toJSONSchema(environment);
  return Object.entries(environment.shape).map(([name, shape]) => {
    const schema = properties[name] as Record<string, unknown>;
    return { name, schema, fallback: schema["default"] as Setting["fallback"], ...meaningOf(name, shape) };
  });
}

/** A setting as it is in force, for a person to see: no secret is in it. */
export interface SettingInForce {
  name: string;
  /** Null where nothing is set and there is no default. */
  value: string | null;
  from: "environment" | "default";
}

export function settingsInForce(env: NodeJS.ProcessEnv): SettingInForce[] {
  const given = givenOf(env);
  const settings = parseEnvironment(given);
  return listSettings().map(({ name, secret }) => ({
    name,
    value: shown(settings[name as keyof typeof settings], secret),
    from: name in given ? "environment" : "default",
  }));
}

function shown(value: string | number | null, secret: Meaning["secret"]): string | null {
  if (value === null) return null;
  if (secret === "whole") return "***";
  return secret === "url" ? withoutPassword(String(value)) : String(value);
}

function withoutPassword(text: string): string {
  const url = new URL(text);
  if (url.password !== "") url.password = "***";
  // Some gateways take the key as a query parameter.
  for (const name of url.searchParams.keys()) url.searchParams.set(name, "***");
  return url.href;
}
