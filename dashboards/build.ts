/** A board as Grafana's dashboard JSON, by Grafana's own SDK. */
import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import { PanelBuilder as HeatmapBuilder } from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as StatesBuilder } from "@grafana/grafana-foundation-sdk/statetimeline";
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as LinesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import type { Board, Panel } from "./board.ts";

const SOURCE = { type: "prometheus", uid: "${datasource}" };
const WIDTH = 24;
const STAT_HEIGHT = 4;
const HEIGHT = 8;

/** As it is committed, and as Grafana reads it. */
export function dashboardJson(board: Board): string {
  return `${JSON.stringify(build(board), null, 2)}\n`;
}

export function build(board: Board): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(board.title)
    .uid(board.uid)
    .description(board.says)
    .tags(["report-fleet"])
    .time({ from: "now-6h", to: "now" })
    .timezone("browser")
    .refresh("30s")
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .link(
      new dashboard.DashboardLinkBuilder("Report Fleet")
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags(["report-fleet"])
        .asDropdown(false)
        .keepTime(true)
        .includeVars(true),
    )
    .withVariable(
      new dashboard.DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"),
    )
    .withVariable(
      new dashboard.QueryVariableBuilder("report_type")
        .label("Report type")
        .datasource(SOURCE)
        .query("label_values(fleet_reports_submitted_total, report_type)")
        .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue(".*")
        .current({ selected: true, text: "All", value: "$__all" }),
    )
    .annotation(annotation("Breakers", "orange", BREAKER_TURNS, "{{report_type}} turns {{to}}"))
    .annotation(annotation("Deploys", "blue", DEPLOYS, "version {{version}} runs"));
  let y = 0;
  let id = 1;
  for (const row of board.rows) {
    builder.withRow(new dashboard.RowBuilder(row.title).id(id++).gridPos({ x: 0, y: y++, w: WIDTH, h: 1 }));
    for (const line of row.lines) {
      const height = line.every(({ kind }) => kind === "stat") ? STAT_HEIGHT : HEIGHT;
      for (const [nth, panel] of line.entries()) {
        const x = Math.floor((WIDTH * nth) / line.length);
        const w = Math.floor((WIDTH * (nth + 1)) / line.length) - x;
        builder.withPanel(panelOf(panel).id(id++).gridPos({ x, y, w, h: height }));
      }
      y += height;
    }
  }
  return builder.build();
}

export const BREAKER_TURNS =
  'sum by (report_type, to) (increase(fleet_breaker_transitions_total{report_type=~"$report_type"}[$__interval])) > 0';
export const DEPLOYS =
  "count by (version) (fleet_build_info) unless count by (version) (fleet_build_info offset 5m)";

function annotation(
  name: string,
  color: string,
  expr: string,
  title: string,
): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(SOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .step("60s")
    .titleFormat(title);
}

type PanelBuilder = HeatmapBuilder | LinesBuilder | StatBuilder | StatesBuilder | TableBuilder;

function panelOf(panel: Panel): PanelBuilder {
  const builder = drawn(panel).title(panel.title).description(panel.says).unit(panel.unit).datasource(SOURCE);
  for (const [nth, { expr, legend }] of panel.queries.entries()) {
    const query = new DataqueryBuilder()
      .datasource(SOURCE)
      .expr(expr)
      .refId(String.fromCodePoint(65 + nth));
    if (legend !== "") query.legendFormat(legend);
    if (panel.kind === "heatmap") query.format(PromQueryFormat.Heatmap);
    if (panel.kind === "table") query.format(PromQueryFormat.Table);
    if (panel.kind === "stat" || panel.kind === "table") query.instant();
    else query.range();
    builder.withTarget(query);
  }
  return builder;
}

function drawn(panel: Panel): PanelBuilder {
  switch (panel.kind) {
    case "stat":
      return new StatBuilder()
        .graphMode(common.BigValueGraphMode.None)
        .colorMode(common.BigValueColorMode.Value)
        .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
        .thresholds(thresholds(panel));
    case "lines":
      return graph().fillOpacity(0);
    case "stacked":
      return graph()
        .fillOpacity(30)
        .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
    case "heatmap":
      return new HeatmapBuilder().calculate(false);
    case "states":
      return new StatesBuilder().mergeValues(true).mappings([mappingOf(panel.states ?? [])]);
    case "table":
      return new TableBuilder();
  }
}

function graph(): LinesBuilder {
  return new LinesBuilder()
    .lineWidth(1)
    .min(0)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi));
}

function thresholds({ warnFrom, badFrom }: Panel): dashboard.ThresholdsConfigBuilder {
  const steps: dashboard.Threshold[] = [{ value: null, color: "green" }];
  if (warnFrom !== undefined) steps.push({ value: warnFrom, color: "orange" });
  if (badFrom !== undefined) steps.push({ value: badFrom, color: "red" });
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}

const COLORS = ["green", "yellow", "orange", "red"];

/** The last state is the worst, and red. */
function mappingOf(states: readonly string[]): dashboard.ValueMapping {
  const colors = [...COLORS.slice(0, states.length - 1), "red"];
  return {
    type: dashboard.MappingType.ValueToText,
    options: Object.fromEntries(
      states.map((text, index) => [String(index), { text, color: colors[index] ?? "red", index }]),
    ),
  };
}
