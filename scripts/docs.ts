/** `npm run docs`: rewrites the pages that are made from the sources. */
import { writeFileSync } from "node:fs";
import { listSettings } from "../src/config/settings.ts";
import { configurationPage } from "./docs/configuration-page.ts";
import { metricsPage } from "./docs/metrics-page.ts";
import { root } from "./tools.ts";

writeFileSync(`${root}docs/metrics.md`, metricsPage());
writeFileSync(`${root}docs/configuration.md`, configurationPage(listSettings()));
