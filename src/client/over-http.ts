/** The client for programs that reach the fleet's HTTP API. Nothing but `fetch`. */
import { setTimeout as pause } from "node:timers/promises";
import type { FieldProblem } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import type { FleetClient, ReportProgress, ReportResult } from "./contract.ts";
import { hasEnded } from "./has-ended.ts";
import { Refused } from "./refused.ts";
import { readServerSentEvents } from "./server-sent-events.ts";

export interface HttpSettings {
  /** Where the API is, without `/v1`. */
  baseUrl: string;
  apiKey: string;
}

const CONNECT_AGAIN_MS = 1_000;

export function clientOverHttp({ baseUrl, apiKey }: HttpSettings): FleetClient {
  const root = baseUrl.replace(/\/+$/, "");

  async function request(
    path: string,
    init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const response = await fetch(`${root}/v1${path}`, {
      ...init,
      headers: {
        Authorization: `Bearer ${apiKey}`,
        ...(init.body === undefined ? {} : { "Content-Type": "application/json" }),
        ...init.headers,
      },
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  async function read<T>(path: string, init?: Parameters<typeof request>[1]): Promise<T> {
    return (await (await request(path, init)).json()) as T;
  }

  function status(id: ReportId): Promise<ReportProgress> {
    return read(`/reports/${id}`);
  }

  return {
    submit: ({ key, deliverBy, ...order }) =>
      read("/reports", {
        method: "POST",
        headers: { "Idempotency-Key": key },
        body: JSON.stringify({ ...order, deliverBy: deliverBy?.getTime() }),
      }),
    status,
    async *watch(id, { signal } = {}) {
      const givenUp = () => signal?.aborted === true;
      let lastId: string | null = null;
      while (!givenUp()) {
        try {
          const { body } = await request(`/reports/${id}/events`, {
            ...(lastId === null ? {} : { headers: { "Last-Event-ID": lastId } }),
            ...(signal === undefined ? {} : { signal }),
          });
          if (body === null) {
            // A 204: nothing more will come. The row that told the end may have been lost with the line.
            yield await status(id);
            return;
          }
          for await (const message of readServerSentEvents(body)) {
            lastId = message.id ?? lastId;
            if (message.event !== "snapshot" && message.event !== "progress") continue;
            const row = JSON.parse(message.data) as ReportProgress;
            yield row;
            if (hasEnded(row)) return;
          }
        } catch (error) {
          if (givenUp()) return;
          // A server that is restarted breaks the connection, refuses the next one, and says that it is about to end.
          const mayPass = error instanceof Refused ? error.retryable : isBrokenConnection(error);
          if (!mayPass) throw error;
        }
        await pause(CONNECT_AGAIN_MS);
      }
    },
    result: (id) => read<ReportResult>(`/reports/${id}/output?format=json`),
    async cancel(id, why) {
      await request(`/reports/${id}/cancel`, { method: "POST", body: JSON.stringify({ why }) });
      return status(id);
    },
    close: () => Promise.resolve(),
  };
}

interface Problem {
  code?: string;
  detail?: string;
  title?: string;
  retryable?: boolean;
  errors?: readonly { pointer: string; detail: string }[];
}

async function refusal(response: Response): Promise<Refused> {
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const fields: FieldProblem[] = (problem.errors ?? []).map(({ pointer, detail }) => ({
    path: pointer,
    message: detail,
  }));
  return new Refused(
    problem.code ?? `http_${response.status}`,
    problem.detail ?? problem.title ?? `The fleet answered ${response.status}.`,
    // Without a problem of ours it was something between us and the fleet.
    { fields, retryable: problem.retryable ?? response.status >= 500 },
  );
}

/** What `fetch` throws, at the start or in the middle of a body. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof TypeError;
}
