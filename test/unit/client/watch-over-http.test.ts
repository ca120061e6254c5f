import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { clientOverHttp } from "../../../src/client/over-http.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers one request after the other, each in its own way. */
async function aServer(...answers: Answer[]): Promise<string> {
  const server = createServer((request, response) => answers.shift()?.(request, response));
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function row(status: string): string {
  return `event: progress\ndata: ${JSON.stringify({ id: "rp-1", status })}\n\n`;
}

function problem(status: number, code: string, retryable: boolean): Answer {
  return (_request, response) => {
    response.writeHead(status, { "Content-Type": "application/problem+json" });
    response.end(JSON.stringify({ code, detail: "no", retryable }));
  };
}

async function watch(baseUrl: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const { status } of clientOverHttp({ baseUrl, apiKey: "k" }).watch("rp-1")) seen.push(status);
  return seen;
}

test("whoever watches gets over a broken connection and a server that is about to end, and misses nothing", async () => {
  const resumedFrom: unknown[] = [];
  const url = await aServer(
    (_request, response) => {
      response.write(`id: 7-0\nevent: report.status\ndata: {}\n\n${row("running")}`, () =>
        response.destroy(),
      );
    },
    (request) => request.destroy(),
    problem(503, "draining", true),
    (request, response) => {
      resumedFrom.push(request.headers["last-event-id"]);
      response.end(row("completed"));
    },
  );
  expect(await watch(url)).toEqual(["running", "completed"]);
  expect(resumedFrom).toEqual(["7-0"]);
});

test("whoever may not watch is told at once", async () => {
  const url = await aServer(problem(404, "not_found", false));
  await expect(watch(url)).rejects.toMatchObject({ name: "Refused", code: "not_found", retryable: false });
});

test("a watcher whose line broke between the end and the row that tells it is told the end all the same", async () => {
  const asked: unknown[] = [];
  const url = await aServer(
    (_request, response) => {
      response.write(`${row("running")}id: 8-0\nevent: report.status\ndata: {}\n\n`, () =>
        response.destroy(),
      );
    },
    // All that is stored was told.
    (_request, response) => response.writeHead(204).end(),
    (request, response) => {
      asked.push(request.url);
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ id: "rp-1", status: "completed" }));
    },
  );
  expect(await watch(url)).toEqual(["running", "completed"]);
  expect(asked).toEqual(["/v1/reports/rp-1"]);
}, 10_000);
