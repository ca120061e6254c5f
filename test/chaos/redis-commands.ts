/** Reads the commands that a client sends to Redis out of its bytes: arrays of bulk strings, as ioredis writes them. */
export interface Command {
  /** As it came, to be passed on unchanged. */
  bytes: Buffer;
  words: Buffer[];
}

export class CommandReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The commands that are complete by now; what has begun waits for its next bytes. */
  read(chunk: Buffer): Command[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const commands: Command[] = [];
    let from = 0;
    for (;;) {
      const end = commandAt(bytes, from);
      if (end === null) break;
      commands.push({ bytes: bytes.subarray(from, end.at), words: end.words });
      from = end.at;
    }
    this.#rest = bytes.subarray(from);
    return commands;
  }
}

function commandAt(bytes: Buffer, from: number): { words: Buffer[]; at: number } | null {
  const head = lineAt(bytes, from);
  if (head === null) return null;
  const words: Buffer[] = [];
  let at = head.at;
  for (let left = numberIn(head.line, "*"); left > 0; left--) {
    const size = lineAt(bytes, at);
    if (size === null) return null;
    const end = size.at + numberIn(size.line, "$");
    if (bytes.length < end + 2) return null;
    words.push(bytes.subarray(size.at, end));
    at = end + 2;
  }
  return { words, at };
}

function lineAt(bytes: Buffer, from: number): { line: string; at: number } | null {
  const end = bytes.indexOf("\r\n", from, "latin1");
  return end === -1 ? null : { line: bytes.toString("latin1", from, end), at: end + 2 };
}

function numberIn(line: string, sign: string): number {
  if (!line.startsWith(sign))
    throw new Error(
      `Expected ${sign} and a number from a Redis client, got ${JSON.stringify(line.slice(0, 40))}.`,
    );
  return Number(line.slice(1));
}
