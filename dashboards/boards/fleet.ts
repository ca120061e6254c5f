import { CHOSEN, lines, mayBeEmpty, stacked, stat, states, type Board } from "../board.ts";

export const fleetBoard: Board = {
  uid: "report-fleet",
  title: "Report Fleet: fleet",
  says: "Is the fleet working, and if not, what stands still?",
  rows: [
    {
      title: "Now",
      lines: [
        [
          stat(
            { title: "Open reports", says: "Ordered and not ended.", unit: "short" },
            `sum(fleet_reports_open{${CHOSEN}})`,
          ),
          stat(
            {
              title: "Need a person",
              says: "Parked failures. See the console's review.",
              unit: "short",
              warnFrom: 1,
            },
            `sum(fleet_review_open{${CHOSEN}})`,
          ),
          stat(
            {
              title: "Stopped types",
              says: "Report types whose breaker is open: no token is spent on them.",
              unit: "short",
              badFrom: 1,
            },
            `sum(fleet_breaker_state{${CHOSEN}, state="open"})`,
          ),
          stat(
            {
              title: "Oldest job",
              says: "How long the oldest job that could be worked on now has waited.",
              unit: "s",
              warnFrom: 300,
              badFrom: 1_800,
            },
            "max(fleet_queue_oldest_age_seconds)",
          ),
          stat(
            { title: "Workers", says: "Live processes of the role worker.", unit: "short" },
            'max(fleet_processes{role="worker"})',
          ),
          stat(
            {
              title: "Overdue",
              says: "Reports that should have moved by now. The sweeper looks at each second by second.",
              unit: "short",
              warnFrom: 1,
            },
            "max(fleet_reports_overdue)",
          ),
        ],
      ],
    },
    {
      title: "Queue",
      lines: [
        [
          stacked(
            {
              title: "Jobs",
              says: "Jobs of all queues by state; sections have a queue per report type.",
              unit: "short",
            },
            { "{{queue}} {{state}}": "max by (queue, state) (fleet_queue_jobs)" },
          ),
          lines(
            {
              title: "Wait",
              says: "How long jobs waited for their first start: half of them less than p50.",
              unit: "s",
            },
            {
              "p50 {{queue}}":
                "histogram_quantile(0.5, sum by (le, queue) (rate(fleet_queue_wait_seconds_bucket[$__rate_interval])))",
              "p95 {{queue}}":
                "histogram_quantile(0.95, sum by (le, queue) (rate(fleet_queue_wait_seconds_bucket[$__rate_interval])))",
            },
          ),
          lines(
            {
              title: "Oldest job",
              says: "Age of the oldest job that could be worked on, by queue.",
              unit: "s",
            },
            { "{{queue}}": "max by (queue) (fleet_queue_oldest_age_seconds)" },
          ),
        ],
      ],
    },
    {
      title: "Throughput",
      lines: [
        [
          lines(
            {
              title: "Reports",
              says: "Reports an hour: what was ordered, and what ended, by how it did.",
              unit: "short",
            },
            {
              "{{outcome}}": `sum by (outcome) (rate(fleet_reports_finished_total{${CHOSEN}}[$__rate_interval])) * 3600`,
              ordered: `sum(rate(fleet_reports_submitted_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          lines(
            { title: "Time to delivery", says: "From the order to the delivery, over an hour.", unit: "s" },
            {
              p50: `histogram_quantile(0.5, sum by (le) (rate(fleet_report_duration_seconds_bucket{${CHOSEN}}[1h])))`,
              p95: `histogram_quantile(0.95, sum by (le) (rate(fleet_report_duration_seconds_bucket{${CHOSEN}}[1h])))`,
            },
          ),
          lines(
            {
              title: "Time of a section",
              says: "From a section's first claim to its completion, waits included.",
              unit: "s",
            },
            {
              "p50 {{report_type}}": `histogram_quantile(0.5, sum by (le, report_type) (rate(fleet_section_duration_seconds_bucket{${CHOSEN}}[1h])))`,
              "p95 {{report_type}}": `histogram_quantile(0.95, sum by (le, report_type) (rate(fleet_section_duration_seconds_bucket{${CHOSEN}}[1h])))`,
            },
          ),
        ],
        [
          stacked(
            { title: "Reports by status", says: "All reports that are kept.", unit: "short" },
            { "{{status}}": "max by (status) (fleet_reports)" },
          ),
          stacked(
            { title: "Sections", says: "Sections an hour by how they came to rest.", unit: "short" },
            {
              "{{outcome}}": `sum by (outcome) (rate(fleet_sections_settled_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Late and refused",
              says: "Reports known to be later than wanted, and orders of the intake stream that were refused, an hour.",
              unit: "short",
            },
            {
              late: `sum(rate(fleet_report_deadlines_missed_total{${CHOSEN}}[$__rate_interval])) * 3600`,
              "refused {{code}}":
                "sum by (code) (rate(fleet_intake_rejected_total[$__rate_interval])) * 3600",
            },
          ),
        ],
      ],
    },
    {
      title: "Failures",
      lines: [
        [
          stacked(
            {
              title: "Failures by kind",
              says: "Failures of sections that were not healed within the attempt, an hour. The review inbox groups them by section and cause.",
              unit: "short",
            },
            {
              "{{failure_kind}}": `sum by (failure_kind) (rate(fleet_section_failures_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "What became of them",
              says: "Tried again, parked for a person, or gone without.",
              unit: "short",
            },
            {
              "{{leads_to}}": `sum by (leads_to) (rate(fleet_section_failures_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
          stacked(
            {
              title: "Attempts",
              says: "Attempts at sections an hour: the first, and further ones by what they were spent on.",
              unit: "short",
            },
            {
              "{{cause}}": `sum by (cause) (rate(fleet_section_attempts_total{${CHOSEN}}[$__rate_interval])) * 3600`,
            },
          ),
        ],
      ],
    },
    {
      title: "Breakers and routes",
      lines: [
        [
          states(
            {
              title: "Breakers",
              says: "The state of each report type's breaker. Open: nothing is spent on the type.",
            },
            {
              metric: "fleet_breaker_state",
              by: "report_type",
              matchers: `${CHOSEN}, `,
              order: ["closed", "half_open", "open"],
            },
          ),
          states(
            {
              title: "Routes",
              says: "The state of each way to a provider. Closed: a person has to open it.",
            },
            {
              metric: "fleet_route_state",
              by: "route",
              matchers: "",
              order: ["open", "waiting", "trouble", "closed"],
            },
          ),
          stacked(
            { title: "Turns", says: "Turns of breakers and closures of routes, an hour.", unit: "short" },
            {
              "{{report_type}} to {{to}}": `sum by (report_type, to) (rate(fleet_breaker_transitions_total{${CHOSEN}}[$__rate_interval])) * 3600`,
              "route closed": "sum(rate(fleet_route_closures_total[$__rate_interval])) * 3600",
            },
          ),
        ],
      ],
    },
    {
      title: "Workers",
      lines: [
        [
          lines(
            { title: "Processes", says: "Live processes by role; one may have several.", unit: "short" },
            { "{{role}}": "max by (role) (fleet_processes)" },
          ),
          lines(
            {
              title: "Takers",
              says: "Processes that take jobs from each queue. None, and nothing of that type is written.",
              unit: "short",
            },
            { "{{queue}}": "max by (queue) (fleet_queue_workers)" },
          ),
          stacked(
            {
              title: "Repairs",
              says: "What the sweeper put right, an hour. Rare; many mean that processes die or jobs are lost.",
              unit: "short",
            },
            { "{{repair}}": "sum by (repair) (rate(fleet_sweeper_repairs_total[$__rate_interval])) * 3600" },
          ),
        ],
        [
          lines(
            {
              title: "Event loop",
              says: "Delay of the event loop, p99. Above 100 ms a process is overloaded.",
              unit: "s",
            },
            { "{{instance}}": "nodejs_eventloop_lag_p99_seconds" },
          ),
          lines(
            { title: "Memory", says: "Resident memory of each process.", unit: "bytes" },
            { "{{instance}}": "process_resident_memory_bytes" },
          ),
          lines(
            { title: "Processor", says: "Cores each process uses.", unit: "short" },
            { "{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])" },
          ),
        ],
      ],
    },
    {
      title: "HTTP and webhooks",
      lines: [
        [
          stacked(
            { title: "Requests", says: "Requests to the HTTP API a second.", unit: "reqps" },
            {
              "{{route}} {{status_class}}":
                "sum by (route, status_class) (rate(fleet_http_request_duration_seconds_count[$__rate_interval]))",
            },
          ),
          lines(
            {
              title: "Time to answer",
              says: "By route, event streams left out: one request in twenty took longer.",
              unit: "s",
            },
            {
              "{{route}}":
                "histogram_quantile(0.95, sum by (le, route) (rate(fleet_http_request_duration_seconds_bucket[$__rate_interval])))",
            },
          ),
          lines(
            {
              title: "Webhooks",
              says: "Requests to receivers an hour by what came of them, and those that are on their way.",
              unit: "short",
            },
            {
              "{{outcome}}": "sum by (outcome) (rate(fleet_webhook_attempts_total[$__rate_interval])) * 3600",
              "ended {{outcome}}":
                "sum by (outcome) (rate(fleet_webhook_deliveries_total[$__rate_interval])) * 3600",
              pending: "max(fleet_webhooks_pending)",
              "endpoints disabled":
                "sum(rate(fleet_webhook_endpoints_disabled_total[$__rate_interval])) * 3600",
            },
          ),
        ],
      ],
    },
    {
      title: "Watching",
      lines: [
        [
          mayBeEmpty(
            lines(
              { title: "Alerts", says: "Alerts that fire; each has a page in docs/runbooks.", unit: "short" },
              { "{{alertname}} {{report_type}}{{queue}}{{route}}": 'ALERTS{alertstate="firing"}' },
            ),
            "no alert fires",
          ),
          lines(
            {
              title: "Who tells",
              says: "1 for the process that exports the books. Without one, no figure here is current.",
              unit: "short",
            },
            { "{{instance}}": "fleet_books_exported", "{{instance}} {{version}}": "fleet_build_info" },
          ),
        ],
      ],
    },
  ],
};
