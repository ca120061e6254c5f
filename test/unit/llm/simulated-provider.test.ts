/** The simulated provider is the witness of all other tests, so its own word is tested first. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parseFaultScript } from "../../../src/llm/simulated/faults.ts";
import {
  startSimulatedProvider,
  type SimulatedProvider,
  type SimulatedProviderOptions,
} from "../../../src/llm/simulated-provider.ts";

const opened: SimulatedProvider[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((provider) => provider.close()));
});

async function aProvider(options: SimulatedProviderOptions = {}): Promise<SimulatedProvider> {
  const provider = await startSimulatedProvider({ latency: "none", ...options });
  opened.push(provider);
  return provider;
}

async function ask(provider: SimulatedProvider, prompt: string, more: Record<string, unknown> = {}) {
  const response = await fetch(`${provider.url}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({
      model: "simulated-writer",
      messages: [{ role: "user", content: prompt }],
      ...more,
    }),
  });
  const body = (await response.json()) as {
    choices: { message: { content: string }; finish_reason: string }[];
    usage: { prompt_tokens: number; completion_tokens: number };
  };
  return { status: response.status, body, text: body.choices?.[0]?.message.content ?? "" };
}

function askFor(provider: SimulatedProvider, prompt: string, schema: unknown, system = "You are an editor.") {
  return ask(provider, "", {
    messages: [
      { role: "system", content: system },
      { role: "user", content: prompt },
    ],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
  }).then(({ text }) => JSON.parse(text) as Record<string, unknown>);
}

const CRITIQUE = {
  type: "object",
  properties: { score: { type: "integer", minimum: 1, maximum: 10 }, summary: { type: "string" } },
  required: ["score", "summary"],
};

describe("its answers", () => {
  test("the same question gets the same answer, from another provider too, and another seed another one", async () => {
    const question = "Topic: Night trains\nWrite about 250 words.";
    const one = await ask(await aProvider({ seed: 7 }), question);
    const same = await ask(await aProvider({ seed: 7 }), question);
    expect(same.text).toBe(one.text);
    const seeds = await Promise.all(
      [1, 2, 3, 4, 5].map(async (seed) => (await ask(await aProvider({ seed }), question)).text),
    );
    expect(new Set(seeds).size).toBeGreaterThan(1);
  });

  test("they are about the order, with its own figures, in about the length that was asked for", async () => {
    const { text } = await ask(
      await aProvider(),
      "Topic: Night trains\n\nFacts:\n- Routes in service: 41\n- Mean occupancy: 78 %\n\nWrite about 300 words.",
    );
    expect(text).toContain("Night trains");
    expect(text).toContain("**Routes in service:** 41");
    expect(text).toContain("78 %");
    const words = text.split(/\s+/).length;
    expect(words).toBeGreaterThan(200);
    expect(words).toBeLessThan(420);
  });

  test("a draft needs a revision, and the revision is good enough", async () => {
    const provider = await aProvider();
    const assignment = "Topic: Night trains\nWrite about 300 words.";
    const draft = (await ask(provider, assignment)).text;
    const first = await askFor(
      provider,
      `<assignment>${assignment}</assignment>\n<draft>\n${draft}\n</draft>`,
      CRITIQUE,
    );
    expect(first["score"]).toBe(6);
    const revised = (
      await ask(
        provider,
        `Revise your draft.\n<assignment>\n${assignment}\n</assignment>\n<draft>\n${draft}\n</draft>\n<critique>\nScore: 6\n</critique>`,
      )
    ).text;
    expect(revised).not.toBe(draft);
    expect(revised.length).toBeGreaterThan(draft.length);
    const second = await askFor(
      provider,
      `<assignment>${assignment}</assignment>\n<draft>\n${revised}\n</draft>`,
      CRITIQUE,
    );
    expect(second["score"]).toBeGreaterThanOrEqual(8);
  });

  test("JSON keeps every bound of its schema", async () => {
    const schema = {
      type: "object",
      properties: {
        sections: {
          type: "array",
          minItems: 4,
          maxItems: 4,
          items: { $ref: "#/$defs/section" },
        },
        level: { enum: ["low", "medium", "high"] },
        share: { type: "number", minimum: 0, maximum: 1 },
        note: { anyOf: [{ type: "null" }, { type: "string", maxLength: 20 }] },
        long: { type: "string", minLength: 400 },
        kind: { const: "plan" },
      },
      required: ["sections", "level", "share", "note", "long", "kind"],
      $defs: {
        section: {
          type: "object",
          properties: {
            key: { type: "string", pattern: "^[a-z][a-z0-9-]{0,39}$" },
            title: { type: "string" },
          },
          required: ["key", "title"],
        },
      },
    };
    const value = await askFor(await aProvider(), "Topic: Night trains\nPlan the sections.", schema);
    const sections = value["sections"] as { key: string; title: string }[];
    expect(sections).toHaveLength(4);
    expect(new Set(sections.map((section) => section.key)).size).toBe(4);
    for (const section of sections) expect(section.key).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
    expect(["low", "medium", "high"]).toContain(value["level"]);
    expect(value["share"]).toBeGreaterThanOrEqual(0);
    expect(value["share"]).toBeLessThanOrEqual(1);
    expect((value["note"] as string).length).toBeLessThanOrEqual(20);
    expect((value["long"] as string).length).toBeGreaterThanOrEqual(400);
    expect(value["kind"]).toBe("plan");
  });

  test("an answer that does not fit into the output limit is cut, as a model cuts it", async () => {
    const { body } = await ask(await aProvider(), "Topic: Night trains", { max_tokens: 20 });
    expect(body.choices[0]?.finish_reason).toBe("length");
    expect(body.usage.completion_tokens).toBe(20);
  });

  test("a prompt larger than the model is refused and not billed", async () => {
    const provider = await aProvider();
    expect((await ask(provider, "word ".repeat(120_000))).status).toBe(400);
    expect(provider.ledger()).toMatchObject([{ outcome: "context_length", billed: false, micros: 0 }]);
  });
});

describe("its ledger", () => {
  test("equal prompts have equal hashes, and the marker of a prompt is kept", async () => {
    const provider = await aProvider();
    await ask(provider, "[[a/b/draft]] Topic: Night trains");
    await ask(provider, "[[a/b/draft]] Topic: Night trains");
    await ask(provider, "Topic: Day trains");
    const [one, two, three] = provider.ledger();
    expect(one?.promptHash).toBe(two?.promptHash);
    expect(three?.promptHash).not.toBe(one?.promptHash);
    expect([one?.marker, three?.marker]).toEqual(["a/b/draft", null]);
  });

  test("an answer that nobody waited for was generated, and is billed", async () => {
    const provider = await aProvider({ latency: { firstByteMs: [300, 300], perTokenMs: 0 } });
    const client = request(`${provider.url}/chat/completions`, { method: "POST" });
    client.on("error", () => undefined);
    client.end(
      JSON.stringify({ model: "m", messages: [{ role: "user", content: "Topic: Night trains" }] }),
      () => client.destroy(),
    );
    await vi.waitFor(() => expect(provider.ledger()).toHaveLength(1), { timeout: 5_000, interval: 10 });
    expect(provider.ledger()).toMatchObject([{ outcome: "client_gone", billed: true }]);
    expect(provider.ledger()[0]?.micros).toBeGreaterThan(0);
  });

  test("what is being generated when the provider closes is on the books when it has closed", async () => {
    const provider = await aProvider({ latency: { firstByteMs: [0, 0], perTokenMs: 60_000 } });
    const response = await fetch(`${provider.url}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({
        model: "m",
        stream: true,
        messages: [{ role: "user", content: "Topic: Trains" }],
      }),
    });
    expect(provider.ledger()).toEqual([]);
    await provider.close();
    expect(provider.ledger()).toMatchObject([{ outcome: "client_gone", billed: true, stream: true }]);
    await expect(response.text()).rejects.toThrow(/terminated/);
  });

  test("its file holds a row before its answer has arrived", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ledger-"));
    const ledgerFile = join(folder, "ledger.jsonl");
    const provider = await aProvider({ ledgerFile });
    await ask(provider, "Topic: Night trains");
    const lines = readFileSync(ledgerFile, "utf8").trimEnd().split("\n");
    rmSync(folder, { recursive: true });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(provider.ledger());
  });

  test("another process reads it over HTTP", async () => {
    const provider = await aProvider();
    await ask(provider, "Topic: Night trains");
    const address = provider.url.replace("/v1", "/_simulated/ledger");
    expect(await (await fetch(address)).json()).toEqual({ data: provider.ledger() });
  });
});

describe("its fault script", () => {
  const down = { kind: "server_error", status: 503 } as const;

  const six = ["a", "b", "c", "d", "e", "f"];

  test.each([
    ["the n-th", { match: { nth: 2 } }, [200, 503, 200, 200, 200, 200]],
    ["the first", { match: { first: 2 } }, [503, 503, 200, 200, 200, 200]],
    ["every second", { match: { every: 2 } }, [200, 503, 200, 503, 200, 503]],
    ["all after", { match: { after: 4 } }, [200, 200, 200, 200, 503, 503]],
    ["a number of times", { times: 1 }, [503, 200, 200, 200, 200, 200]],
    ["only what contains a text", { match: { contains: "c" } }, [200, 200, 503, 200, 200, 200]],
  ])("it strikes %s", async (_name, rule, expected) => {
    const provider = await aProvider({ faults: [{ ...rule, fault: down }] });
    expect(await statuses(provider, six)).toEqual(expected);
  });

  test("another process replaces it over HTTP, and is told what is wrong with a bad one", async () => {
    const provider = await aProvider();
    const address = provider.url.replace("/v1", "/_simulated/faults");
    const good = await fetch(address, { method: "POST", body: JSON.stringify([{ fault: down }]) });
    expect(await good.json()).toEqual({ rules: 1 });
    expect(await statuses(provider, ["a"])).toEqual([503]);
    const bad = await fetch(address, {
      method: "POST",
      body: JSON.stringify([{ fault: { kind: "meteor" } }]),
    });
    expect(bad.status).toBe(400);
    expect(await bad.text()).toContain("fault");
    expect(await statuses(provider, ["a"])).toEqual([503]);
  });

  test("a script with a typing error is refused with the place of the error", () => {
    expect(() => parseFaultScript([{ fault: { kind: "hang" }, match: { contain: "x" } }])).toThrow(/contain/);
    expect(() => parseFaultScript({})).toThrow(/fault script/);
  });
});

async function statuses(provider: SimulatedProvider, prompts: readonly string[]): Promise<number[]> {
  const seen: number[] = [];
  for (const prompt of prompts) seen.push((await ask(provider, prompt)).status);
  return seen;
}
