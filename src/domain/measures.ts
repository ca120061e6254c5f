/**
 * Where the histograms of the books are cut. Whole milliseconds and micro-USD, as everything that is counted in the
 * store; the exporter turns them into seconds and dollars. A count keeps the bound it was counted under, so a bound may
 * be added or taken away later and what was counted before stays right at the bounds that remain.
 */
const SECOND_MS = 1_000;
const DOLLAR = 1_000_000;

function seconds(...bounds: number[]): number[] {
  return bounds.map((bound) => Math.round(bound * SECOND_MS));
}

export const BOUNDS = {
  fleet_report_duration_seconds: seconds(30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400),
  fleet_section_duration_seconds: seconds(1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1_280),
  // An SLO is cut at 24 hours.
  fleet_review_wait_seconds: seconds(60, 300, 900, 3_600, 14_400, 28_800, 86_400, 259_200, 604_800),
  fleet_report_spend_usd: [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50].map((usd) => usd * DOLLAR),
  // Those of OpenTelemetry's GenAI conventions that a model can be seen in: no answer of many tokens comes in 10 ms.
  gen_ai_client_operation_duration_seconds: seconds(
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    327.68,
    655.36,
  ),
} as const;
