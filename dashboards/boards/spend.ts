import { CHOSEN, lines, mayBeEmpty, stacked, stat, type Board } from "../board.ts";

export const spendBoard: Board = {
  uid: "report-fleet-spend",
  title: "Report Fleet: spend",
  says: "What do the providers bill, for what, and how much of it is in nothing that was delivered?",
  rows: [
    {
      title: "Today",
      lines: [
        [
          stat(
            {
              title: "Since midnight UTC",
              says: "Spend of the day, with what is set aside for calls in flight.",
              unit: "currencyUSD",
            },
            "max(fleet_spend_today_usd)",
          ),
          mayBeEmpty(
            stat(
              {
                title: "Daily cap",
                says: "At the cap no call begins until midnight UTC.",
                unit: "currencyUSD",
              },
              'max(fleet_spend_cap_usd{scope="fleet"})',
            ),
            "SPEND_CAP_USD is not set",
          ),
          stat(
            { title: "An hour, now", says: "The rate of the last quarter of an hour.", unit: "currencyUSD" },
            `sum(rate(fleet_spend_usd_total{${CHOSEN}}[15m])) * 3600`,
          ),
          stat(
            {
              title: "Wasted, 24 h",
              says: "Share of what was settled in 24 hours that is in nothing delivered.",
              unit: "percentunit",
              warnFrom: 0.1,
              badFrom: 0.2,
            },
            `sum(increase(fleet_wasted_spend_usd_total{${CHOSEN}}[24h])) / sum(increase(fleet_settled_spend_usd_total{${CHOSEN}}[24h]))`,
          ),
          stat(
            {
              title: "Not paid again, 24 h",
              says: "What answers had cost that were there already after a retry, a crash or a resume.",
              unit: "currencyUSD",
            },
            `sum(increase(fleet_spend_avoided_usd_total{${CHOSEN}}[24h]))`,
          ),
          stat(
            {
              title: "Spending",
              says: "1 while a person has stopped all spending.",
              unit: "short",
              badFrom: 1,
            },
            "max(fleet_spending_stopped)",
          ),
        ],
      ],
    },
    {
      title: "Rate",
      lines: [
        [
          stacked(
            { title: "By model", says: "Dollars an hour.", unit: "currencyUSD" },
            {
              "{{model}}": `sum by (model) (rate(fleet_spend_usd_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            { title: "By report type", says: "Dollars an hour.", unit: "currencyUSD" },
            {
              "{{report_type}}": `sum by (report_type) (rate(fleet_spend_usd_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          lines(
            {
              title: "Against the usual",
              says: "The rate of a quarter of an hour, and three times the average of the last week: above it an alert fires.",
              unit: "currencyUSD",
            },
            {
              now: "fleet:fleet_spend_usd:rate15m * 3600",
              "three times the usual": "3 * 3600 * avg_over_time(fleet:fleet_spend_usd:rate15m[7d])",
            },
          ),
        ],
      ],
    },
    {
      title: "A report",
      lines: [
        [
          lines(
            {
              title: "Cost of a report",
              says: "What reports had cost when they ended, over a day.",
              unit: "currencyUSD",
            },
            {
              "p50 {{report_type}}": `histogram_quantile(0.5, sum by (le, report_type) (increase(fleet_report_spend_usd_bucket{${CHOSEN}}[24h])))`,
              "p95 {{report_type}}": `histogram_quantile(0.95, sum by (le, report_type) (increase(fleet_report_spend_usd_bucket{${CHOSEN}}[24h])))`,
            },
          ),
          lines(
            {
              title: "Spend for each delivered report",
              says: "All spend of a day over the reports delivered in it: failed ones included, so it is what a delivery really costs.",
              unit: "currencyUSD",
            },
            {
              "{{report_type}}": `sum by (report_type) (increase(fleet_spend_usd_total{${CHOSEN}}[24h])) / (sum by (report_type) (increase(fleet_reports_finished_total{${CHOSEN}, outcome=~"delivered|delivered_partial"}[24h])) > 0)`,
            },
          ),
          lines(
            {
              title: "Credits for a dollar",
              says: "Credits charged in a day over the dollars spent in it.",
              unit: "short",
            },
            {
              "credits per dollar":
                '(sum(increase(fleet_credits_total{transition="commit"}[24h])) - sum(increase(fleet_credits_total{transition="refund"}[24h]))) / sum(increase(fleet_spend_usd_total[24h]))',
            },
          ),
        ],
      ],
    },
    {
      title: "Waste",
      lines: [
        [
          stacked(
            {
              title: "Lost to",
              says: "Dollars an hour that are in nothing delivered, by what they were lost to.",
              unit: "currencyUSD",
            },
            {
              "{{lost_to}}": `sum by (lost_to) (rate(fleet_wasted_spend_usd_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Outcome",
              says: "Dollars an hour by final outcome. Unknown: no answer came, and the provider may have billed it.",
              unit: "currencyUSD",
            },
            {
              "{{outcome}}": `sum by (outcome) (rate(fleet_settled_spend_usd_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Rungs",
              says: "Uses of the salvage ladder an hour. Salvage is free; the others are one call each.",
              unit: "short",
            },
            { "{{rung}}": `sum by (rung) (rate(fleet_repairs_total{${CHOSEN}}[$__rate_interval])) * 3600` },
          ),
        ],
        [
          stacked(
            { title: "Checkpoints", says: "Answers an hour that were there already.", unit: "short" },
            {
              "{{source}}": `sum by (source) (rate(fleet_checkpoint_hits_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Not paid again",
              says: "Dollars an hour that those answers had cost.",
              unit: "currencyUSD",
            },
            {
              "{{report_type}}": `sum by (report_type) (rate(fleet_spend_avoided_usd_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          lines(
            { title: "Caps reached", says: "Daily caps that held calls back, in a day.", unit: "short" },
            { "{{scope}}": "sum by (scope) (increase(fleet_spend_caps_reached_total[24h]))" },
          ),
        ],
      ],
    },
    {
      title: "Tokens",
      lines: [
        [
          stacked(
            {
              title: "Tokens",
              says: "Tokens a second: input that was read anew, input from the provider's cache, output, and reasoning.",
              unit: "short",
            },
            {
              "input, new":
                "sum(rate(gen_ai_client_inference_usage_input_tokens_total[$__rate_interval])) - sum(rate(gen_ai_client_inference_usage_cache_read_input_tokens_total[$__rate_interval]))",
              "input, cached":
                "sum(rate(gen_ai_client_inference_usage_cache_read_input_tokens_total[$__rate_interval]))",
              "output, text":
                "sum(rate(gen_ai_client_inference_usage_output_tokens_total[$__rate_interval])) - sum(rate(gen_ai_client_inference_usage_reasoning_output_tokens_total[$__rate_interval]))",
              "output, reasoning":
                "sum(rate(gen_ai_client_inference_usage_reasoning_output_tokens_total[$__rate_interval]))",
            },
          ),
          lines(
            {
              title: "Provider's cache",
              says: "Share of the input tokens that the provider read from its cache, over an hour.",
              unit: "percentunit",
            },
            {
              "{{gen_ai_request_model}}":
                "sum by (gen_ai_request_model) (rate(gen_ai_client_inference_usage_cache_read_input_tokens_total[1h])) / sum by (gen_ai_request_model) (rate(gen_ai_client_inference_usage_input_tokens_total[1h]))",
            },
          ),
          stacked(
            { title: "Tokens by outcome", says: "Tokens an hour whose outcome is final.", unit: "short" },
            {
              "{{outcome}} {{direction}}": `sum by (outcome, direction) (rate(fleet_settled_tokens_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
        ],
      ],
    },
  ],
};
