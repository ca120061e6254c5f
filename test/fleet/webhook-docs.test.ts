/** The receivers in the documentation are run as they stand there. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { WEBHOOK_TYPES } from "../../src/domain/webhook.ts";
import { safePost } from "../../src/webhooks/safe-fetch.ts";
import { newSecret, signedHeaders } from "../../src/webhooks/sign.ts";

const PAGE = readFileSync(new URL("../../docs/webhooks.md", import.meta.url), "utf8");

const EXAMPLES = [
  { language: "js", command: process.execPath, args: ["--input-type=module", "--eval"] },
  // Not every machine has it; the page is written for both.
  ...(spawnSync("python3", ["--version"]).status === 0
    ? [{ language: "python", command: "python3", args: ["-c"] }]
    : []),
];

test.each(EXAMPLES)(
  "the $language receiver of the page takes what we sign, once, and nothing else",
  async (example) => {
    const secret = newSecret();
    const child = spawn(example.command, [...example.args, codeOf(example.language)], {
      env: { ...process.env, WEBHOOK_SECRET: secret, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => {
      child.kill();
    });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => String((await lines.next()).value);
    const url = `http://127.0.0.1:${(await next()).replace("listening on ", "")}/`;

    const post = async (
      message: string,
      sent: string,
      at = Date.now(),
      secrets = [secret],
      signed = sent,
    ) => {
      const reachable = { timeoutMs: 10_000, allowPrivate: true };
      return safePost(url, signedHeaders(message, at, signed, secrets), sent, reachable);
    };
    const taken = { outcome: "answered", status: 204 };
    const refused = { outcome: "answered", status: 401 };
    expect(await post("msg_1-0", body("rp-1"))).toEqual(taken);
    expect(await next()).toMatch(/^report\.completed \{"report": ?"rp-1"\}$/);
    expect(await post("msg_1-0", body("rp-1"))).toEqual(taken);
    expect(await post("msg_2-0", body("rp-3"), Date.now(), [secret], body("rp-2"))).toEqual(refused);
    expect(await post("msg_2-0", body("rp-2"), Date.now() - 400_000)).toEqual(refused);
    expect(await post("msg_2-0", body("rp-2"), Date.now(), [newSecret()])).toEqual(refused);
    expect(await post("msg_2-0", body("rp-2"), Date.now(), [newSecret(), secret])).toEqual(taken);
    // The repeat printed nothing in between.
    expect(await next()).toMatch(/rp-2/);
  },
);

test("the page names every event and no other", () => {
  const named = [...PAGE.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(WEBHOOK_TYPES));
});

function body(report: string): string {
  return JSON.stringify({ type: "report.completed", data: { report } });
}

function codeOf(language: string): string {
  const code = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(PAGE)?.[1];
  if (code === undefined) throw new Error(`The page has no example in ${language}.`);
  return code;
}
