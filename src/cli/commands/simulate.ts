import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { FleetError } from "../../domain/fleet-error.ts";
import type { Terminal } from "../command.ts";

interface SimulateOptions {
  port: number;
  host: string;
  seed: number;
  latency?: Latency;
  faults?: string;
  ledger?: string;
}

type Latency = "none" | { firstByteMs: [number, number]; perTokenMs: number };

export function simulateCommand({ output }: Terminal): Command {
  return new Command("simulate")
    .summary("start a simulated provider that costs nothing")
    .description(
      "Starts an OpenAI-compatible provider whose answers are made from the prompt itself, and runs until Ctrl-C.",
    )
    .addOption(
      new Option("--port <port>", "0 takes a free one").default(4010).argParser(wholeNumber(0, 65_535)),
    )
    .option("--host <host>", "address to listen on", "127.0.0.1")
    .addOption(
      new Option("--seed <number>", "equal seeds give equal answers")
        .default(1)
        .argParser(wholeNumber(0, 2 ** 31)),
    )
    .addOption(
      new Option(
        "--latency <none|from-to>",
        "no waiting, or milliseconds until the first byte, as in 300-1500",
      ).argParser(latency),
    )
    .option("--faults <file>", "a JSON fault script: which requests go wrong, and how")
    .option("--ledger <file>", "append every request and what it billed, one JSON line each")
    .option("--json", "print the address as JSON", false)
    .action(async (options: SimulateOptions) => {
      const faultScript = options.faults === undefined ? [] : readJson(options.faults);
      const { startSimulatedProvider } = await import("../../llm/simulated-provider.ts");
      const { parseFaultScript } = await import("../../llm/simulated/faults.ts");
      const { port, host, seed } = options;
      const provider = await startSimulatedProvider({
        port,
        host,
        seed,
        ...(options.latency === undefined ? {} : { latency: options.latency }),
        faults: parseFaultScript(faultScript),
        ...(options.ledger === undefined ? {} : { ledgerFile: options.ledger }),
      });
      output.data({ url: provider.url, pid: process.pid }, () => [provider.url]);
      output.talk(`Simulated provider, seed ${seed}: use it with OPENAI_BASE_URL=${provider.url}`);
      await interrupted();
      await provider.close();
    });
}

/** Ctrl-C is the ordinary end of a server, so it ends with 0. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new FleetError("not_found", `The fault script ${file} cannot be read.`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FleetError("usage", `The fault script ${file} is not JSON: ${String(cause)}`, { cause });
  }
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() === "" || !Number.isInteger(number) || number < min || number > max) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

function latency(text: string): Latency {
  if (text === "none") return "none";
  const match = /^(\d{1,6})-(\d{1,6})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || from > to) {
    throw new InvalidArgumentError("Expected `none`, or milliseconds such as 300-1500.");
  }
  return { firstByteMs: [from, to], perTokenMs: 0 };
}
