import { CHOSEN, lines, mayBeEmpty, stat, table, type Board } from "../board.ts";

const FAILED = `sum(increase(fleet_section_failures_total{${CHOSEN}, leads_to="review", failure_kind=~"contract|workflow"}[30d]))`;
const SETTLED = `sum(increase(fleet_sections_settled_total{${CHOSEN}}[30d]))`;

/** How many times faster than allowed the budget of 1 % is used up. */
function burn(window: string): string {
  return `report_type:fleet_sections_failed:ratio_rate${window}{${CHOSEN}} / 0.01`;
}

export const sloBoard: Board = {
  uid: "report-fleet-slo",
  title: "Report Fleet: objectives",
  says: "99 % of sections without a structural failure, 95 % of reports within an hour, 99 % of cases decided within a day, and no credit lost.",
  rows: [
    {
      title: "Budgets of 30 days",
      lines: [
        [
          stat(
            {
              title: "Sections",
              says: "What is left of the error budget: 1 % of sections may stop for a contract or workflow failure.",
              unit: "percentunit",
            },
            `1 - (${FAILED} / ${SETTLED}) / 0.01`,
          ),
          stat(
            {
              title: "Delivered within an hour",
              says: "Share of the delivered reports; the objective is 95 %.",
              unit: "percentunit",
            },
            `sum(increase(fleet_report_duration_seconds_bucket{${CHOSEN}, le="3600"}[30d])) / sum(increase(fleet_report_duration_seconds_count{${CHOSEN}}[30d]))`,
          ),
          stat(
            {
              title: "Decided within a day",
              says: "Share of the review cases; the objective is 99 %.",
              unit: "percentunit",
            },
            'sum(increase(fleet_review_wait_seconds_bucket{le="86400"}[30d])) / sum(increase(fleet_review_wait_seconds_count[30d]))',
          ),
          stat(
            { title: "Ledger drift", says: "The objective is 0, always.", unit: "short", badFrom: 1 },
            "max(max_over_time(fleet_ledger_drift_credits[30d]))",
          ),
        ],
      ],
    },
    {
      title: "Burn",
      lines: [
        [
          lines(
            {
              title: "Fast",
              says: "How many times faster than allowed the budget is used up. Above 14.4 in both windows somebody is woken.",
              unit: "short",
            },
            { "5 min {{report_type}}": burn("5m"), "1 h {{report_type}}": burn("1h") },
          ),
          lines(
            {
              title: "Slow",
              says: "Above 6 in the half hour and six hours somebody is woken; above 1 in six hours and three days it is a ticket.",
              unit: "short",
            },
            {
              "30 min {{report_type}}": burn("30m"),
              "6 h {{report_type}}": burn("6h"),
              "3 d {{report_type}}": burn("3d"),
            },
          ),
        ],
        [
          lines(
            {
              title: "Late reports",
              says: "Share of the reports of three days that took more than an hour; 5 % are allowed.",
              unit: "percentunit",
            },
            { "{{report_type}}": `report_type:fleet_reports_late:ratio_rate3d{${CHOSEN}}` },
          ),
          lines(
            {
              title: "Late decisions",
              says: "Share of the cases of three days that took more than a day; 1 % is allowed.",
              unit: "percentunit",
            },
            { late: "fleet:fleet_reviews_late:ratio_rate3d" },
          ),
        ],
      ],
    },
    {
      title: "Alerts",
      lines: [
        [
          mayBeEmpty(
            table(
              { title: "Firing now", says: "Each has a page in docs/runbooks." },
              { expr: 'ALERTS{alertstate="firing"}', legend: "{{alertname}}" },
            ),
            "no alert fires",
          ),
        ],
      ],
    },
  ],
};
