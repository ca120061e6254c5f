/**
 * `report-fleet/client`: order reports from a service of your own, follow them and read them, over the fleet's Redis or
 * its HTTP API. No worker, no model client and no report type comes with it (a test holds that).
 */
export { clientOverHttp } from "./client/over-http.ts";
export type { HttpSettings } from "./client/over-http.ts";
export { clientOverRedis } from "./client/over-redis.ts";
export type { RedisSettings } from "./client/over-redis.ts";
export { Refused } from "./client/refused.ts";
export type { FleetClient, Order, ReportProgress, ReportResult, SourceOf } from "./client/contract.ts";
