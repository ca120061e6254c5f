/** `npm run dashboards`: rewrites Grafana's JSON from the boards in `dashboards/`. */
import { writeFileSync } from "node:fs";
import { BOARDS } from "../dashboards/boards.ts";
import { dashboardJson } from "../dashboards/build.ts";
import { root } from "./tools.ts";

for (const [name, board] of Object.entries(BOARDS))
  writeFileSync(`${root}dashboards/grafana/${name}.json`, dashboardJson(board));
