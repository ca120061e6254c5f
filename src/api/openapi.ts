/** The OpenAPI document, made from the same values the router is made from. */
import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from "zod-openapi";
import { PROBLEMS, type ProblemCode } from "./problems.ts";
import type { Route } from "./route.ts";
import { DryRun } from "./schemas.ts";

const Problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    retryable: z.boolean(),
    retry_after_ms: z.int().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457; the codes are explained in docs/problems.md" });

const problem: ZodOpenApiResponseObject = {
  description: "What went wrong",
  content: { "application/problem+json": { schema: Problem } },
};

export function openApiDocument(routes: readonly Route[]): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  const document: ZodOpenApiObject = {
    openapi: "3.1.0",
    info: {
      title: "Report Fleet",
      version: "1",
      description:
        "Orders long, paid LLM reports and follows them to delivery. Times are milliseconds since 1970, money is whole micro-USD, credits are whole. New fields may be added; names and codes keep their meaning.",
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key: `Authorization: Bearer rf_...`" },
      },
    },
  };
  return createDocument(document, {
    override({ jsonSchema, io }) {
      // What we send may grow fields; only what we are sent is closed.
      if (io === "output") delete jsonSchema.additionalProperties;
    },
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { method, path } = route;
  return {
    operationId: operationId(method, path),
    summary: route.summary,
    description: `Scope \`${route.scope}\`${route.reach === "fleet" ? ", with a key that belongs to no account" : ""}.`,
    tags: [route.tag],
    requestParams: {
      ...(route.params === undefined ? {} : { path: route.params }),
      ...(route.query === undefined && route.dryRun === undefined ? {} : { query: queryOf(route) }),
      ...headersOf(route),
    },
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: route.body.schema, example: route.body.example } },
          },
        }),
    responses: { ...answersOf(route), default: problem },
  };
}

function answersOf({ answer, dryRun }: Route): Record<string, ZodOpenApiResponseObject> {
  const plain: ZodOpenApiResponseObject = {
    description: answer.what,
    ...(answer.status === 204 ? {} : { content: contentOf(answer) }),
  };
  if (dryRun === undefined) return { [answer.status]: plain };
  const dry: ZodOpenApiResponseObject = {
    description: "With dry_run: what it would do",
    content: { "application/json": { schema: dryRun.schema } },
  };
  if (answer.status !== 200) return { [answer.status]: plain, "200": dry };
  const either = z.union([answer.schema ?? z.string(), dryRun.schema]);
  return {
    "200": {
      description: `${answer.what}. With dry_run: what it would do`,
      content: { "application/json": { schema: either } },
    },
  };
}

function queryOf({ query, dryRun }: Route): z.ZodObject {
  const own = query instanceof z.ZodObject ? query : z.strictObject({});
  return dryRun === undefined ? own : own.extend({ dry_run: DryRun });
}

function contentOf(answer: Route["answer"]) {
  const types = answer.types ?? ["application/json"];
  return Object.fromEntries(types.map((type) => [type, { schema: answer.schema ?? z.string() }]));
}

function headersOf(route: Route): { header?: z.ZodObject } {
  const headers = {
    ...(route.idempotent === true ? { "Idempotency-Key": waived(route, z.string().min(1).max(200)) } : {}),
    ...(route.ifMatch === true ? { "If-Match": waived(route, z.string()) } : {}),
  };
  return Object.keys(headers).length === 0 ? {} : { header: z.object(headers) };
}

/** OpenAPI cannot say that a header is required unless a parameter is there, so it is said in words. */
function waived(route: Route, header: z.ZodString): z.ZodType {
  return route.dryRun === undefined
    ? header
    : header.optional().meta({ description: "Required, except for a dry run" });
}

/** `post_v1_reports_id_cancel`: generated clients name their functions by it, so it is derived and not thought up. */
function operationId(method: string, path: string): string {
  return `${method}_${path.replaceAll(/[^A-Za-z0-9]+/g, "_").replaceAll(/^_|_$/g, "")}`;
}
