import { CHOSEN, heatmap, lines, stacked, stat, type Board } from "../board.ts";

export const reviewBoard: Board = {
  uid: "report-fleet-review",
  title: "Report Fleet: review and credits",
  says: "What waits for a person, and where do the customers' credits stand?",
  rows: [
    {
      title: "Inbox",
      lines: [
        [
          stat(
            {
              title: "Open cases",
              says: "Parked failures that wait for a person.",
              unit: "short",
              warnFrom: 1,
            },
            `sum(fleet_review_open{${CHOSEN}})`,
          ),
          stat(
            {
              title: "Oldest",
              says: "How long the oldest of them has waited. The objective is a day.",
              unit: "s",
              warnFrom: 28_800,
              badFrom: 86_400,
            },
            "max(fleet_review_oldest_age_seconds)",
          ),
          stat(
            { title: "Opened, 24 h", says: "Failures parked in a day.", unit: "short" },
            `sum(increase(fleet_review_opened_total{${CHOSEN}}[24h]))`,
          ),
          stat(
            { title: "Decided, 24 h", says: "Cases that a person decided in a day.", unit: "short" },
            'sum(increase(fleet_review_resolved_total{decision!="ended"}[24h]))',
          ),
        ],
        [
          stacked(
            { title: "Open by kind", says: "What kind of failure waits.", unit: "short" },
            { "{{failure_kind}}": `sum by (failure_kind) (fleet_review_open{${CHOSEN}})` },
          ),
          stacked(
            { title: "Open by type", says: "Of which report type.", unit: "short" },
            { "{{report_type}}": `sum by (report_type) (fleet_review_open{${CHOSEN}})` },
          ),
          lines(
            {
              title: "Age of the oldest",
              says: "Rises by a second each second while nobody decides.",
              unit: "s",
            },
            { oldest: "max(fleet_review_oldest_age_seconds)" },
          ),
        ],
        [
          stacked(
            {
              title: "Decisions",
              says: "What people decided, an hour. Ended: the report ended without one.",
              unit: "short",
            },
            {
              "{{decision}}":
                "sum by (decision) (rate(fleet_review_resolved_total[$__rate_interval])) * 3600",
            },
          ),
          stacked(
            { title: "Opened", says: "Failures parked for a person, an hour.", unit: "short" },
            {
              "{{failure_kind}}": `sum by (failure_kind) (rate(fleet_review_opened_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          heatmap(
            {
              title: "How long cases were open",
              says: "Cases that were decided, by how long they had waited.",
              unit: "s",
            },
            "sum by (le) (increase(fleet_review_wait_seconds_bucket[$__rate_interval]))",
          ),
        ],
      ],
    },
    {
      title: "Credits",
      lines: [
        [
          stat(
            { title: "Held", says: "Credits held for reports that have not ended.", unit: "short" },
            "max(fleet_credits_held)",
          ),
          stat({ title: "Holds", says: "Holds that are not ended.", unit: "short" }, "max(fleet_holds_open)"),
          stat(
            {
              title: "Oldest hold",
              says: "A report in review fails at its type's deadline; a hold much older than the longest is one that nobody ends.",
              unit: "s",
            },
            "max(fleet_hold_oldest_age_seconds)",
          ),
          stat(
            {
              title: "Longest deadline",
              says: "How long a parked report may wait for a person, of the type that waits longest.",
              unit: "s",
            },
            "max(fleet_review_deadline_seconds)",
          ),
          stat(
            {
              title: "Drift",
              says: "By how many credits balances and ledger rows are apart. Anything but 0 is a bug.",
              unit: "short",
              badFrom: 1,
            },
            "max(abs(fleet_ledger_drift_credits))",
          ),
        ],
        [
          stacked(
            { title: "Moved", says: "Credits an hour by kind of ledger row.", unit: "short" },
            { "{{transition}}": "sum by (transition) (rate(fleet_credits_total[$__rate_interval])) * 3600" },
          ),
          lines(
            { title: "Held", says: "Credits held, and holds.", unit: "short" },
            { credits: "max(fleet_credits_held)", holds: "max(fleet_holds_open)" },
          ),
          lines(
            {
              title: "The ledger's walk",
              says: "Since when every account has been compared once with its rows, how many there are, and the drift found.",
              unit: "short",
            },
            {
              "seconds ago": "max(fleet_ledger_walk_age_seconds)",
              accounts: "max(fleet_accounts)",
              drift: "max(fleet_ledger_drift_credits)",
            },
          ),
        ],
        [
          lines(
            {
              title: "Credit reviews",
              says: "Accounts put under credit review after repeated paid failure, in a day.",
              unit: "short",
            },
            { opened: "sum(increase(fleet_credit_reviews_opened_total[24h]))" },
          ),
          stacked(
            {
              title: "How reports ended",
              says: "Reports of a day: delivered, charged; failed or cancelled, returned.",
              unit: "short",
            },
            { "{{outcome}}": `sum by (outcome) (increase(fleet_reports_finished_total{${CHOSEN}}[24h]))` },
          ),
        ],
      ],
    },
  ],
};
