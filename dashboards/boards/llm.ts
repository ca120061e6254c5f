import { CHOSEN, heatmap, lines, mayBeEmpty, stacked, stat, states, table, type Board } from "../board.ts";

const SECONDS = "gen_ai_client_operation_duration_seconds";
const MODEL = "gen_ai_request_model";

export const llmBoard: Board = {
  uid: "report-fleet-llm",
  title: "Report Fleet: models",
  says: "Do the providers answer, how fast, and is what they answer usable?",
  rows: [
    {
      title: "Now",
      lines: [
        [
          stat(
            { title: "Answers a minute", says: "Of the last five minutes.", unit: "short" },
            `sum(rate(${SECONDS}_count{error_type=""}[5m])) * 60`,
          ),
          stat(
            {
              title: "Failed requests",
              says: "Share of the requests of five minutes without an answer.",
              unit: "percentunit",
              warnFrom: 0.05,
              badFrom: 0.2,
            },
            `sum(rate(${SECONDS}_count{error_type!=""}[5m])) / sum(rate(${SECONDS}_count[5m]))`,
          ),
          stat(
            {
              title: "Rate limited",
              says: "Share of the requests of five minutes that the provider limited.",
              unit: "percentunit",
              warnFrom: 0.05,
            },
            `(sum(rate(${SECONDS}_count{error_type="rate_limited"}[5m])) or vector(0)) / sum(rate(${SECONDS}_count[5m]))`,
          ),
          stat(
            {
              title: "Unusable answers",
              says: "Share of the paid answers of an hour that were rejected.",
              unit: "percentunit",
              warnFrom: 0.05,
              badFrom: 0.2,
            },
            `sum(rate(fleet_answers_judged_total{${CHOSEN}, verdict="rejected"}[1h])) / sum(rate(fleet_answers_judged_total{${CHOSEN}}[1h]))`,
          ),
        ],
      ],
    },
    {
      title: "Latency",
      lines: [
        [
          heatmap(
            {
              title: "Answers",
              says: "How long answers took, from the request to the last byte.",
              unit: "s",
            },
            `sum by (le) (increase(${SECONDS}_bucket{error_type=""}[$__rate_interval]))`,
          ),
          lines(
            { title: "By model", says: "Half of the answers came within p50.", unit: "s" },
            {
              [`p50 {{${MODEL}}}`]: `histogram_quantile(0.5, sum by (le, ${MODEL}) (rate(${SECONDS}_bucket{error_type=""}[$__rate_interval])))`,
              [`p95 {{${MODEL}}}`]: `histogram_quantile(0.95, sum by (le, ${MODEL}) (rate(${SECONDS}_bucket{error_type=""}[$__rate_interval])))`,
            },
          ),
          lines(
            {
              title: "Failures",
              says: "How long requests took that failed, p95: long ones hold a slot for nothing.",
              unit: "s",
            },
            {
              "{{error_type}}": `histogram_quantile(0.95, sum by (le, error_type) (rate(${SECONDS}_bucket{error_type!=""}[$__rate_interval])))`,
            },
          ),
        ],
      ],
    },
    {
      title: "Errors",
      lines: [
        [
          stacked(
            {
              title: "By code",
              says: "Requests without an answer, an hour; the codes are in docs/failures.md.",
              unit: "short",
            },
            {
              [`{{error_type}} {{${MODEL}}}`]: `sum by (error_type, ${MODEL}) (rate(${SECONDS}_count{error_type!=""}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Requests",
              says: "Requests an hour by what came of them. Unknown may have been billed.",
              unit: "short",
            },
            {
              "{{outcome}}": `sum by (outcome) (rate(fleet_calls_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          states(
            { title: "Routes", says: "Waiting: the provider named a time. Trouble: it gives no answers." },
            {
              metric: "fleet_route_state",
              by: "route",
              matchers: "",
              order: ["open", "waiting", "trouble", "closed"],
            },
          ),
        ],
      ],
    },
    {
      title: "Answers",
      lines: [
        [
          stacked(
            {
              title: "Verdicts",
              says: "Paid answers an hour, held against the contract of their call.",
              unit: "short",
            },
            {
              "{{verdict}}": `sum by (verdict) (rate(fleet_answers_judged_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            { title: "Rungs", says: "Uses of the salvage ladder an hour.", unit: "short" },
            { "{{rung}}": `sum by (rung) (rate(fleet_repairs_total{${CHOSEN}}[$__rate_interval])) * 3600` },
          ),
          lines(
            {
              title: "Tokens of an answer",
              says: "Mean output tokens of an answer by model.",
              unit: "short",
            },
            {
              [`{{${MODEL}}}`]: `sum by (${MODEL}) (rate(gen_ai_client_inference_usage_output_tokens_total[$__rate_interval])) / sum by (${MODEL}) (rate(${SECONDS}_count{error_type=""}[$__rate_interval]))`,
            },
          ),
        ],
        [
          lines(
            {
              title: "Output speed",
              says: "Output tokens for each second of waiting, by model.",
              unit: "short",
            },
            {
              [`{{${MODEL}}} by {{gen_ai_provider_name}}`]: `sum by (${MODEL}, gen_ai_provider_name) (rate(gen_ai_client_inference_usage_output_tokens_total[$__rate_interval])) / sum by (${MODEL}, gen_ai_provider_name) (rate(${SECONDS}_sum{error_type=""}[$__rate_interval]))`,
            },
          ),
          mayBeEmpty(
            lines(
              {
                title: "Models that answered",
                says: "Answers an hour by the name the model gives itself: a provider that swaps a model shows here.",
                unit: "short",
              },
              {
                "{{gen_ai_response_model}}": `sum by (gen_ai_response_model) (rate(${SECONDS}_count{error_type=""}[$__rate_interval])) * 3600`,
              },
            ),
            "no answer came",
          ),
          table(
            { title: "Prompts in use", says: "The prompt version of every section." },
            {
              expr: `max by (report_type, section, prompt_version) (fleet_prompt_info{${CHOSEN}})`,
              legend: "{{report_type}} {{section}} {{prompt_version}}",
            },
          ),
        ],
      ],
    },
  ],
};
