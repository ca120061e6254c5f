/**
 * What the fleet may rely on when it asks a model: the real openai client over real HTTP, against every fault that the
 * simulated provider knows. The provider's ledger is the witness for what was billed.
 */
import { createServer as createTcpServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createOpenAiLlm } from "../../src/llm/openai-client.ts";
import { startSimulatedProvider, type SimulatedProvider } from "../../src/llm/simulated-provider.ts";
import type { FaultRule } from "../../src/llm/simulated/faults.ts";
import {
  FINDINGS,
  KEY,
  aFormatMemory,
  aQuestion,
  aRoute,
  answered,
  completion,
  failed,
  startServer,
} from "./routes-for-tests.ts";

let provider: SimulatedProvider;
const llm = createOpenAiLlm();

beforeAll(async () => {
  provider = await startSimulatedProvider({ latency: "none" });
});
afterAll(() => provider.close());
beforeEach(() => provider.setFaults([]));

function always(fault: FaultRule["fault"]): void {
  provider.setFaults([{ fault }]);
}

function lastRow() {
  const row = provider.ledger().at(-1);
  if (row === undefined) throw new Error("The ledger is empty.");
  return row;
}

const timeoutsOfTests = { connectMs: 2_000, idleMs: 200, totalMs: 20_000 };

describe.each([{ stream: false }, { stream: true }])("with stream: $stream", ({ stream }) => {
  const route = () => aRoute(provider.url, { stream });

  test("an answer carries its text, its exact cost and who gave it", async () => {
    const { answer } = await answered(llm, route(), aQuestion());
    expect(answer.text).toContain("District heating");
    expect(answer.text).toContain("14");
    expect(answer.finishReason).toBe("stop");
    expect(answer.model).toBe("simulated-writer");
    expect(answer.exact).toBe(true);
    expect(answer.priceTable).toBe("simulated");
    expect(answer.micros).toBe(lastRow().micros);
    expect(answer.tokens?.outputTokens).toBe(lastRow().outputTokens);
    expect(lastRow()).toMatchObject({ outcome: "answered", billed: true, stream, marker: "contract/draft" });
  });

  test.each([
    { fault: { kind: "truncated" }, finishReason: "length", refusal: null },
    { fault: { kind: "content_filter" }, finishReason: "content_filter", refusal: null },
    { fault: { kind: "refusal" }, finishReason: "stop", refusal: expect.stringContaining("sorry") },
    { fault: { kind: "empty" }, finishReason: "stop", refusal: null },
  ] as const)(
    "a poor answer ($fault.kind) is an answer, because it was billed",
    async ({ fault, ...expected }) => {
      always(fault);
      const { answer } = await answered(llm, route(), aQuestion());
      expect(answer).toMatchObject({ ...expected, exact: true, micros: lastRow().micros });
      expect(lastRow()).toMatchObject({ outcome: fault.kind, billed: true });
    },
  );

  test("broken JSON and JSON of another shape come back as they are, for the caller to judge", async () => {
    always({ kind: "malformed" });
    const broken = await answered(llm, route(), aQuestion({ json: FINDINGS }));
    expect(() => JSON.parse(broken.answer.text)).toThrow(SyntaxError);
    always({ kind: "wrong_schema" });
    const other = await answered(llm, route(), aQuestion({ json: FINDINGS }));
    expect(JSON.parse(other.answer.text)).not.toHaveProperty("findings");
  });

  test.each([{ kind: "usage_missing" }, { kind: "usage_negative" }] as const)(
    "with $kind the upper estimate is booked, and never less than the bill",
    async (fault) => {
      always(fault);
      const { answer } = await answered(llm, route(), aQuestion());
      expect(answer.exact).toBe(false);
      expect(answer.tokens).toBeNull();
      expect(answer.micros).toBeGreaterThanOrEqual(lastRow().micros);
    },
  );

  test.each([
    { fault: { kind: "server_error", status: 500 }, status: 500 },
    { fault: { kind: "server_error", status: 502 }, status: 502 },
    { fault: { kind: "server_error", status: 503 }, status: 503 },
    { fault: { kind: "server_error", status: 529 }, status: 529 },
    { fault: { kind: "quota" }, status: 429 },
    { fault: { kind: "context_length" }, status: 400 },
    { fault: { kind: "unauthorized" }, status: 401 },
    { fault: { kind: "model_not_found" }, status: 404 },
    { fault: { kind: "status", status: 418, body: ["no", "error", "key"] }, status: 418 },
  ] as const)(
    "a refusal with $fault.kind $status was not billed, and its body is evidence",
    async ({ fault, status }) => {
      always(fault);
      const end = await failed(llm, route(), aQuestion());
      expect(end.billing).toBe("not_billed");
      expect(end.evidence).toMatchObject({ surface: "http", stage: "generate", http: { status } });
      expect(end.evidence.http?.body).not.toBeNull();
      expect(lastRow()).toMatchObject({ outcome: fault.kind, billed: false });
    },
  );

  test.each([
    ["seconds", { "retry-after": "7" }],
    ["http_date", { "retry-after": expect.stringMatching(/GMT$/), date: expect.stringMatching(/GMT$/) }],
    ["ms_header", { "retry-after-ms": "7000" }],
    ["absent", {}],
    ["absurd", { "retry-after": "99999999999" }],
    ["negative", { "retry-after": "-7" }],
    ["in_message", {}],
    ["retry_info", {}],
  ] as const)("a rate limit keeps the wait it names (%s)", async (retryAfter, headers) => {
    always({ kind: "rate_limit", retryAfter, seconds: 7 });
    const end = await failed(llm, route(), aQuestion());
    expect(end.billing).toBe("not_billed");
    expect(end.evidence.http).toMatchObject({ status: 429, headers });
  });

  test("a wait that only the body names is kept too, also in an array that the client would drop", async () => {
    always({ kind: "rate_limit", retryAfter: "in_message", seconds: 7 });
    const inWords = await failed(llm, route(), aQuestion());
    expect(JSON.stringify(inWords.evidence.http?.body)).toContain("7s");
    always({ kind: "rate_limit", retryAfter: "retry_info", seconds: 7 });
    const inArray = await failed(llm, route(), aQuestion());
    expect(inArray.evidence.http?.body).toMatchObject([{ error: { details: [{ retryDelay: "7s" }] } }]);
  });

  test("a provider that never answers ends at the idle timeout, and may have billed", async () => {
    always({ kind: "hang" });
    const end = await failed(llm, { ...route(), timeouts: timeoutsOfTests }, aQuestion());
    expect(end.billing).toBe("unknown");
    expect(end.evidence).toMatchObject({
      surface: "network",
      node: { name: "IdleTimeoutError", code: "ETIMEDOUT" },
    });
  });

  test("an answer that stops half way ends at the idle timeout, and may have billed", async () => {
    always({ kind: "hang_mid_body" });
    const end = await failed(llm, { ...route(), timeouts: timeoutsOfTests }, aQuestion());
    expect(end).toMatchObject({ billing: "unknown", evidence: { node: { name: "IdleTimeoutError" } } });
    expect(lastRow().billed).toBe(true);
  });

  test("a slow drip that never pauses for long ends at the total timeout", async () => {
    always({ kind: "slow_drip", everyMs: 20, chunks: 1_000 });
    const timeouts = { connectMs: 2_000, idleMs: 5_000, totalMs: 400 };
    const end = await failed(llm, { ...route(), timeouts }, aQuestion());
    expect(end).toMatchObject({ billing: "unknown", evidence: { node: { name: "TotalTimeoutError" } } });
  });

  test("a slow drip that comes to its end is an answer", async () => {
    always({ kind: "slow_drip", everyMs: 5, chunks: 20 });
    const { answer } = await answered(llm, { ...route(), timeouts: timeoutsOfTests }, aQuestion());
    expect(answer).toMatchObject({ finishReason: "stop", exact: true });
  });

  test.each([{ kind: "reset" }, { kind: "cut_mid_body" }] as const)(
    "a connection that breaks after the request left ($kind) may have billed",
    async (fault) => {
      always(fault);
      const end = await failed(llm, route(), aQuestion());
      expect(end).toMatchObject({ billing: "unknown", evidence: { surface: "network" } });
      expect(end.evidence.node?.code).toBe("ECONNRESET");
    },
  );

  test.each([{ kind: "html" }, { kind: "error_in_200" }] as const)(
    "a 200 without a completion ($kind) is a failure that may have billed",
    async (fault) => {
      always(fault);
      const end = await failed(llm, route(), aQuestion());
      expect(end).toMatchObject({
        billing: "unknown",
        evidence: { surface: "completion", http: { status: 200 } },
      });
    },
  );

  test.each([false, true])("a response beyond all bounds is not read to its end (gzip: %s)", async (gzip) => {
    always({ kind: "huge", megabytes: 20, gzip });
    const end = await failed(llm, route(), aQuestion());
    expect(end).toMatchObject({
      billing: "unknown",
      evidence: { surface: "network", node: { code: "ERR_BODY_TOO_LARGE" } },
    });
  });

  test("a cancelled call ends at once and may have billed", async () => {
    const seen = provider.ledger().length;
    always({ kind: "hang" });
    const cancel = new AbortController();
    const asked = failed(llm, route(), aQuestion(), cancel.signal);
    await vi.waitFor(() => expect(provider.ledger().length).toBeGreaterThan(seen), { interval: 5 });
    cancel.abort();
    expect(await asked).toMatchObject({ billing: "unknown", evidence: { node: { name: "AbortError" } } });
  });

  test("a call cancelled before it began reaches nobody", async () => {
    const seen = provider.ledger().length;
    const end = await failed(llm, route(), aQuestion(), AbortSignal.abort());
    expect(end).toMatchObject({ billing: "not_billed", evidence: { node: { name: "AbortError" } } });
    expect(provider.ledger().length).toBe(seen);
  });
});

test("whether a route streams is not visible in the answer", async () => {
  const whole = await answered(llm, aRoute(provider.url), aQuestion());
  const streamed = await answered(llm, aRoute(provider.url, { stream: true }), aQuestion());
  const { elapsedMs: _a, requestId: _b, ...one } = whole.answer;
  const { elapsedMs: _c, requestId: _d, ...other } = streamed.answer;
  expect(other).toEqual(one);
});

describe("asking for JSON", () => {
  test("a route that enforces schemas gets ours, and the answer fits it", async () => {
    const { answer } = await answered(llm, aRoute(provider.url), aQuestion({ json: FINDINGS }));
    expect(JSON.parse(answer.text)).toEqual({
      summary: expect.any(String),
      findings: expect.arrayContaining([expect.any(String)]),
    });
  });

  test("a route that refuses schemas is asked again at once, and remembered for the fleet", async () => {
    const formats = aFormatMemory();
    const learning = createOpenAiLlm({ formats });
    const route = aRoute(provider.url);
    always({ kind: "no_json_schema_support" });
    const before = provider.ledger().length;
    const { answer } = await answered(learning, route, aQuestion({ json: FINDINGS }));
    expect(JSON.parse(answer.text)).toHaveProperty("findings");
    expect(formats.known.get(route.id)).toBe("json_object");
    expect(
      provider
        .ledger()
        .slice(before)
        .map((row) => row.billed),
    ).toEqual([false, true]);

    // Another worker with the same memory does not make the refused request.
    await answered(createOpenAiLlm({ formats }), route, aQuestion({ json: FINDINGS }));
    expect(provider.ledger().length).toBe(before + 3);
  });

  test("a route that knows no response_format at all is asked in words, within three requests", async () => {
    const formats = aFormatMemory();
    await using server = await startServer(async (request, response) => {
      const asked = await readText(request);
      const refused = asked.includes("response_format");
      response.writeHead(refused ? 400 : 200, { "content-type": "application/json" });
      const error = { message: "Unknown parameter: 'response_format'.", param: "response_format" };
      const content = asked.includes("JSON schema") ? '{"summary":"s"}' : "no schema in the prompt";
      const whole = completion({ choices: [{ index: 0, message: { content }, finish_reason: "stop" }] });
      response.end(JSON.stringify(refused ? { error } : whole));
    });
    const route = aRoute(server.url);
    const { answer } = await answered(createOpenAiLlm({ formats }), route, aQuestion({ json: FINDINGS }));
    expect(answer.text).toBe('{"summary":"s"}');
    expect(formats.known.get(route.id)).toBe("none");
    expect(server.requests()).toBe(3);
  });

  test("a schema that the endpoint calls invalid is our mistake, and no weaker format hides it", async () => {
    always({
      kind: "status",
      status: 400,
      body: { error: { message: "Invalid schema for response_format 'findings': unsupported keyword." } },
    });
    const before = provider.ledger().length;
    const end = await failed(llm, aRoute(provider.url), aQuestion({ json: FINDINGS }));
    expect(end.billing).toBe("not_billed");
    expect(provider.ledger().length).toBe(before + 1);
  });

  test("a format that configuration names is kept, and the refusal is shown", async () => {
    always({ kind: "no_json_schema_support" });
    const route = aRoute(provider.url, { responseFormat: "json_schema" });
    const end = await failed(llm, route, aQuestion({ json: FINDINGS }));
    expect(end.evidence.http?.status).toBe(400);
  });

  test("a memory that is out of order costs a request, never an answer", async () => {
    const formats = {
      recall: () => Promise.reject(new Error("redis is away")),
      remember: () => Promise.reject(new Error("redis is away")),
    };
    always({ kind: "no_json_schema_support" });
    const { answer } = await answered(
      createOpenAiLlm({ formats }),
      aRoute(provider.url),
      aQuestion({ json: FINDINGS }),
    );
    expect(JSON.parse(answer.text)).toHaveProperty("summary");
  });
});

test("an endpoint that refuses max_tokens is asked with max_completion_tokens, from then on at once", async () => {
  await using server = await startServer(async (request, response) => {
    const refused = (await readText(request)).includes('"max_tokens"');
    response.writeHead(refused ? 400 : 200, { "content-type": "application/json" });
    const message =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    response.end(JSON.stringify(refused ? { error: { message } } : completion()));
  });
  const learning = createOpenAiLlm();
  await answered(learning, aRoute(server.url), aQuestion());
  await answered(learning, aRoute(server.url), aQuestion());
  expect(server.requests()).toBe(3);
});

describe("what never left is never booked", () => {
  test("a refused connection", async () => {
    const closed = await startSimulatedProvider({ latency: "none" });
    await closed.close();
    const end = await failed(llm, aRoute(closed.url), aQuestion());
    expect(end).toMatchObject({
      billing: "not_billed",
      evidence: { surface: "network", node: { code: "ECONNREFUSED" } },
    });
  });

  test("a name that does not exist", async () => {
    const end = await failed(llm, aRoute("http://provider.invalid/v1"), aQuestion());
    expect(end).toMatchObject({ billing: "not_billed", evidence: { surface: "network" } });
  });

  test("https to a port that speaks http", async () => {
    const end = await failed(llm, aRoute(provider.url.replace("http:", "https:")), aQuestion());
    expect(end).toMatchObject({ billing: "not_billed", evidence: { surface: "network" } });
    expect(JSON.stringify(end.evidence.node)).toMatch(/SSL|EPROTO|wrong version/i);
  });

  test("a connection that is not finished within the connect timeout", async () => {
    // Accepts, and never answers the TLS greeting.
    const server = createTcpServer(() => undefined).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const timeouts = { connectMs: 150, idleMs: 5_000, totalMs: 10_000 };
    const end = await failed(llm, aRoute(`https://127.0.0.1:${port}/v1`, { timeouts }), aQuestion());
    server.close();
    expect(end).toMatchObject({ billing: "not_billed", evidence: { node: { name: "ConnectTimeoutError" } } });
  });

  test("a key that is no header value, and it is not printed", async () => {
    const apiKey = "sk-secret\nwith-a-line-break";
    const end = await failed(llm, aRoute(provider.url, { apiKey }), aQuestion());
    expect(end.billing).toBe("not_billed");
    expect(JSON.stringify(end)).not.toContain("sk-secret");
  });
});

describe("what other endpoints do", () => {
  test("a key that is echoed is not kept", async () => {
    const end = await askServer(
      JSON.stringify({ error: { message: `Incorrect API key: ${KEY}` } }),
      { "x-echo": KEY },
      401,
    );
    expect(JSON.stringify(end)).not.toContain(KEY);
    expect(JSON.stringify(end)).toContain("[key]");
  });

  test("a server that gave up in the middle is a failure, though it sent a completion", async () => {
    for (const finish of ["error", "insufficient_system_resource"]) {
      const choices = [{ index: 0, message: { content: "Half a sen" }, finish_reason: finish }];
      expect(await askServer(JSON.stringify(completion({ choices })))).toMatchObject({
        outcome: "failed",
        billing: "unknown",
        evidence: { surface: "completion", completion: { choices } },
      });
    }
  });

  test("no choices with a bill for them is an empty answer at its exact price", async () => {
    const end = await askServer(JSON.stringify(completion({ choices: [] })));
    expect(end).toMatchObject({ outcome: "answered", answer: { text: "", finishReason: null, exact: true } });
  });

  test("no choices and no bill is a failure that may have been billed", async () => {
    const end = await askServer(JSON.stringify(completion({ choices: null, usage: null })));
    expect(end).toMatchObject({ outcome: "failed", billing: "unknown", evidence: { surface: "completion" } });
  });

  test("a gateway that lost patience does not know what was billed, and neither do the books", async () => {
    for (const status of [504, 524])
      expect(await askServer("<html>timeout</html>", { "content-type": "text/html" }, status)).toMatchObject({
        outcome: "failed",
        billing: "unknown",
        evidence: { surface: "http", http: { status, body: "<html>timeout</html>" } },
      });
  });

  test("JSON that ends early is a network failure", async () => {
    const end = await askServer(JSON.stringify(completion()).slice(0, 60));
    expect(end).toMatchObject({
      outcome: "failed",
      billing: "unknown",
      evidence: { node: { name: "SyntaxError" } },
    });
  });

  test("a completion with the content type of text is still a completion", async () => {
    const end = await askServer(JSON.stringify(completion()), { "content-type": "text/plain" });
    expect(end).toMatchObject({ outcome: "answered", answer: { text: "A text." } });
  });

  test("a compressed answer is read", async () => {
    const end = await askServer(gzipSync(JSON.stringify(completion())), { "content-encoding": "gzip" });
    expect(end).toMatchObject({ outcome: "answered" });
  });

  test("a redirect is not followed, so the key goes nowhere else", async () => {
    const before = provider.ledger().length;
    const end = await askServer("", { location: `${provider.url}/chat/completions` }, 307);
    expect(end).toMatchObject({ outcome: "failed", evidence: { http: { status: 307 } } });
    expect(provider.ledger().length).toBe(before);
  });

  test("junk of every kind is a value, never an exception", async () => {
    for (const body of [
      "",
      "null",
      "[]",
      '"text"',
      "0",
      '{"choices":[null]}',
      '{"choices":[{"message":null}]}',
      "\u0000",
    ])
      for (const status of [200, 204, 400, 599, 999])
        expect(["answered", "failed"]).toContain((await askServer(body, {}, status)).outcome);
  });
});

describe("broken streams", () => {
  test("a stream without a finish reason was cut, and what came is evidence", async () => {
    const end = await askStream(event({ content: "The company" }) + event({ content: " grew" }));
    expect(end).toMatchObject({
      outcome: "failed",
      billing: "unknown",
      evidence: {
        surface: "completion",
        stream: true,
        completion: { choices: [{ message: { content: "The company grew" }, finish_reason: null }] },
      },
    });
  });

  test("an error event inside a stream is shown with its own words", async () => {
    const error = { error: { message: "The server had an error.", type: "server_error" } };
    const end = await askStream(
      `${event({ content: "The comp" })}data: ${JSON.stringify(error)}\n\ndata: [DONE]\n\n`,
    );
    expect(end).toMatchObject({ outcome: "failed", billing: "unknown", evidence: { surface: "http" } });
    expect(JSON.stringify(end)).toContain("The server had an error.");
  });

  test("an answer that was complete when the connection broke is not paid for again", async () => {
    const end = await askStream(event({ content: "All of it." }) + event({}, "stop"), true);
    expect(end).toMatchObject({ outcome: "answered", answer: { text: "All of it.", exact: false } });
  });

  test("a gateway that ignores `stream` and sends one body is understood", async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(completion()));
    });
    const { answer } = await answered(llm, aRoute(server.url, { stream: true }), aQuestion());
    expect(answer).toMatchObject({ text: "A text.", exact: true });
  });
});

async function askServer(body: string | Buffer, headers: Record<string, string> = {}, status = 200) {
  await using server = await startServer((_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body);
  });
  return await llm.ask(aRoute(server.url), aQuestion(), new AbortController().signal);
}

async function askStream(text: string, cut = false) {
  await using server = await startServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text);
    if (cut) response.socket?.destroySoon();
    else response.end();
  });
  return await llm.ask(aRoute(server.url, { stream: true }), aQuestion(), new AbortController().signal);
}
function event(delta: unknown, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

async function readText(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
