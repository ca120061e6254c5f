/** One message of a `text/event-stream`. */
export interface ServerSentEvent {
  /** Null where the message has none: then the one before stays the last. */
  id: string | null;
  event: string;
  data: string;
}

/** Messages as they arrive, until the stream ends. */
export async function* readServerSentEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const message = messageOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (message !== null) yield message;
    }
  }
}

/** Null for a comment, which only keeps the connection alive. */
function messageOf(text: string): ServerSentEvent | null {
  let [id, event]: [string | null, string] = [null, "message"];
  const data: string[] = [];
  for (const line of text.split("\n")) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    const field = at === -1 ? line : line.slice(0, at);
    if (field === "id") id = value;
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return data.length === 0 ? null : { id, event, data: data.join("\n") };
}
