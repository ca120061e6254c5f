/** The document is checked by its own rules, written down here again, not by the library that made it. */
import { expect, test } from "vitest";
import { openApiDocument } from "../../../src/api/openapi.ts";
import { PROBLEMS } from "../../../src/api/problems.ts";
import { ROUTES } from "../../../src/api/routes.ts";
import { reviewCommand } from "../../../src/cli/commands/review.ts";
import { openOutput } from "../../../src/cli/output.ts";

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  parameters?: { in: string; name: string; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object; example: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}
// As a reader gets it: through JSON.
const document = JSON.parse(JSON.stringify(openApiDocument(ROUTES))) as {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: object };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("it is OpenAPI 3.1, and every route is in it once", () => {
  expect(document.openapi).toBe("3.1.0");
  expect(document.info).toMatchObject({ title: "Report Fleet", version: "1" });
  expect(operations.map(({ path, method }) => `${method} ${path}`).sort()).toEqual(
    ROUTES.map(({ path, method }) => `${method} ${path}`).sort(),
  );
  expect(new Set(ROUTES.map(({ path, method }) => `${method} ${path}`)).size).toBe(ROUTES.length);
});

test("operation ids are unique, and every operation says what it does and what comes back", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { operation } of operations) {
    expect(operation.summary.length).toBeGreaterThan(5);
    expect(operation.tags).toHaveLength(1);
    const answers = Object.entries(operation.responses);
    const statuses = answers.map(([status]) => status).sort();
    expect(statuses.at(-1)).toBe("default");
    // A dry run of what is begun and goes on by itself is answered at once.
    expect(statuses.slice(0, -1).join(" ")).toMatch(/^(20[0-4]|200 202)$/);
    for (const [, { description }] of answers) expect(description.length).toBeGreaterThan(3);
    expect(Object.keys(operation.responses["default"]?.content ?? {})).toEqual(["application/problem+json"]);
  }
});

test("every place in a path has its parameter, and no other is asked for", () => {
  for (const { path, operation } of operations) {
    const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((one) => one.in === "path");
    expect(declared.map(({ name }) => name).toSorted((a, b) => a.localeCompare(b))).toEqual(
      places.toSorted((a = "", b = "") => a.localeCompare(b)),
    );
    expect(declared.every(({ required }) => required === true)).toBe(true);
  }
});

test("every reference leads somewhere, and every schema is a schema", () => {
  const types = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);
  const broken: string[] = [];
  let references = 0;
  (function walk(value: unknown, at: string): void {
    if (typeof value !== "object" || value === null) return;
    const { $ref, type, properties, required } = value as Record<string, unknown>;
    if (typeof $ref === "string") {
      references += 1;
      const name = /^#\/components\/schemas\/(.+)$/.exec($ref)?.[1] ?? "";
      if (!(name in document.components.schemas)) broken.push(`${at}: ${$ref} leads nowhere`);
    }
    const isSchema = /schema/.test(at) && !/\.(properties|example|apiKey)$/.test(at);
    if (isSchema && typeof type === "string" && !types.has(type)) broken.push(`${at}: ${type} is no type`);
    if (isSchema && Array.isArray(required) && typeof properties === "object")
      for (const name of required)
        if (!(String(name) in (properties ?? {}))) broken.push(`${at}: ${name} is required and not there`);
    for (const [key, inner] of Object.entries(value)) walk(inner, `${at}.${key}`);
  })(document, "");
  expect(broken).toEqual([]);
  expect(references).toBeGreaterThan(30);
});

test("the example of every body is one that the route accepts", () => {
  for (const { body, path } of ROUTES)
    expect([path, body === undefined || body.schema.safeParse(body.example).success]).toEqual([path, true]);
});

test("what is sent may grow, what is taken may not", () => {
  expect(JSON.stringify(document.components.schemas["ReportView"])).not.toContain(
    'additionalProperties":false',
  );
  const submit = document.paths["/v1/reports"]?.["post"]?.requestBody?.content["application/json"]?.schema;
  expect(submit).toMatchObject({ additionalProperties: false });
});

test("the codes of the document are the codes there are", () => {
  const { properties } = document.components.schemas["Problem"] as {
    properties: { code: { enum: string[] } };
  };
  expect(properties.code.enum).toEqual(Object.keys(PROBLEMS));
});

test("where nobody chooses, a resume asks today's prompt, over HTTP as on the command line", () => {
  const bodies = operations.flatMap(
    ({ operation }) => operation.requestBody?.content["application/json"] ?? [],
  );
  const prompts = bodies.flatMap(
    ({ schema }) => (schema as { properties?: { prompt?: object } }).properties?.prompt ?? [],
  );
  expect(prompts).toHaveLength(2);
  for (const prompt of prompts) expect(prompt).toMatchObject({ default: "current" });
  const review = reviewCommand({ output: openOutput({ json: false }), finish: () => undefined });
  const resume = review.commands.find((command) => command.name() === "resume");
  expect(resume?.opts()).toMatchObject({ prompt: "current" });
});
