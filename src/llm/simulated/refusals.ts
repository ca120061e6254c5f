/** The responses of a provider that did not generate anything, worded as providers word them. */
import type { Fault } from "./faults.ts";

export interface PlainResponse {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

/** Null where the fault lies in an answer or in the connection, and there is no response of its own. */
export function refusalOf(fault: Fault, model: string, now: Date): PlainResponse | null {
  switch (fault.kind) {
    case "status":
      return {
        status: fault.status,
        headers: fault.headers ?? {},
        body: fault.body ?? error(`The simulated provider answers ${fault.status}.`, "simulated", null),
      };
    case "rate_limit":
      return rateLimit(fault.retryAfter, fault.seconds, now);
    case "server_error":
      return serverError(fault.status);
    case "quota":
      return json(
        429,
        error(
          "You exceeded your current quota, please check your plan and billing details.",
          "insufficient_quota",
          "insufficient_quota",
        ),
      );
    case "context_length":
      return contextExceeded(128_000, 128_001);
    case "unauthorized":
      return json(401, error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"));
    case "model_not_found":
      return json(
        404,
        error(
          `The model \`${model}\` does not exist or you do not have access to it.`,
          "invalid_request_error",
          "model_not_found",
        ),
      );
    case "no_json_schema_support":
      return json(400, {
        error: {
          message: "This response_format type is not supported: json_schema.",
          type: "invalid_request_error",
          param: "response_format",
          code: null,
        },
      });
    case "html":
      return {
        status: 200,
        headers: { "content-type": "text/html" },
        body: '<!DOCTYPE html>\n<html lang="en">\n<head><title>Welcome</title></head>\n<body><div id="app"></div></body>\n</html>',
      };
    case "error_in_200":
      return json(200, { error: { message: "The upstream provider is temporarily overloaded.", code: 503 } });
    default:
      return null;
  }
}

export function contextExceeded(limit: number, asked: number): PlainResponse {
  return json(
    400,
    error(
      `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${asked} tokens. Please reduce the length of the messages.`,
      "invalid_request_error",
      "context_length_exceeded",
    ),
  );
}

export function invalidRequest(message: string): PlainResponse {
  return json(400, error(message, "invalid_request_error", null));
}

function rateLimit(
  form: Extract<Fault, { kind: "rate_limit" }>["retryAfter"],
  seconds: number,
  now: Date,
): PlainResponse {
  const limited = error("Rate limit reached for requests.", "requests", "rate_limit_exceeded");
  switch (form) {
    case "seconds":
      return json(429, limited, { "retry-after": String(seconds) });
    case "http_date":
      return json(429, limited, {
        date: now.toUTCString(),
        "retry-after": new Date(now.getTime() + seconds * 1_000).toUTCString(),
      });
    case "ms_header":
      return json(429, limited, { "retry-after-ms": String(seconds * 1_000) });
    case "absent":
      return json(429, limited);
    case "absurd":
      return json(429, limited, { "retry-after": "99999999999" });
    case "negative":
      return json(429, limited, { "retry-after": `-${seconds}` });
    case "in_message":
      return json(
        429,
        error(
          `Rate limit reached for requests per minute. Please try again in ${seconds}s.`,
          "requests",
          "rate_limit_exceeded",
        ),
      );
    case "retry_info":
      return json(429, [
        {
          error: {
            code: 429,
            message: "Resource has been exhausted (e.g. check quota).",
            status: "RESOURCE_EXHAUSTED",
            details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${seconds}s` }],
          },
        },
      ]);
  }
}

function serverError(status: 500 | 502 | 503 | 529): PlainResponse {
  switch (status) {
    case 500:
      return json(500, error("The server had an error while processing your request.", "server_error", null));
    case 502:
      return {
        status,
        headers: { "content-type": "text/html" },
        body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n",
      };
    case 503:
      return json(503, error("The service is currently unavailable.", "service_unavailable", null));
    case 529:
      return json(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  }
}

function error(message: string, type: string, code: string | null): unknown {
  return { error: { message, type, param: null, code } };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): PlainResponse {
  return { status, headers: { "content-type": "application/json", ...headers }, body };
}
