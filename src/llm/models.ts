/**
 * Which routes answer a logical model, in order of preference. Report types say `default` or a name of their own; where
 * the calls go, what they cost and how many may go is configuration.
 */
import { FleetError } from "../domain/fleet-error.ts";
import type { ModelConfig } from "../domain/call.ts";
import type { RouteLimits } from "../domain/route.ts";
import type { ResponseFormat, Route } from "./port.ts";
import { priceOf, type PriceOverrides } from "./prices.ts";
import { providerOf, routeFromSettings } from "./routes.ts";

/** One way to a model, as configured. */
export interface RouteConfig {
  baseUrl: string;
  apiKey: string;
  /** The provider's own name of the model. */
  model: string;
  responseFormat: ResponseFormat;
  stream: boolean;
  limits: RouteLimits;
}

export interface ModelSettings {
  /** Answers every logical model that has no list of its own; a name it does not know is the model's own name. */
  fallThrough: RouteConfig | null;
  /** Ordered routes per logical model: the first that is open answers. */
  models: Readonly<Record<string, readonly RouteConfig[]>>;
  timeouts: Route["timeouts"];
  prices: PriceOverrides;
}

export interface Models {
  /** At least one; the first is preferred. */
  routesOf(model: Pick<ModelConfig, "model">): readonly Route[];
  /** The preferred one, for estimates. */
  routeOf(model: Pick<ModelConfig, "model">): Route;
  /** False where some route of the model has no price: it is never asked, since an unknown price is not zero. */
  priceKnown(model: string): boolean;
}

export function modelsOf(settings: ModelSettings): Models {
  const known = new Map<string, readonly Route[]>();
  function configsOf(model: string): readonly RouteConfig[] {
    const listed = settings.models[model];
    if (listed !== undefined && listed.length > 0) return listed;
    if (settings.fallThrough === null) return [];
    return [model === "default" ? settings.fallThrough : { ...settings.fallThrough, model }];
  }
  function priceFor(config: RouteConfig) {
    return priceOf(config.model, providerOf(config.baseUrl), settings.prices);
  }
  const models: Models = {
    priceKnown(model) {
      const configs = configsOf(model);
      return configs.length > 0 && configs.every((config) => priceFor(config) !== null);
    },
    routesOf({ model }) {
      let routes = known.get(model);
      if (routes === undefined) {
        routes = configsOf(model).map((config) => {
          const price = priceFor(config);
          if (price === null) throw unpriced(config.model);
          return routeFromSettings({ ...config, timeouts: settings.timeouts, price });
        });
        if (routes.length === 0)
          throw new FleetError(
            "usage",
            `No route is configured for the model "${model}". Set OPENAI_MODEL, or add it to the file that ROUTES names.`,
          );
        known.set(model, routes);
      }
      return routes;
    },
    routeOf(model) {
      const [preferred] = models.routesOf(model);
      if (preferred === undefined) throw new Error(`The model ${model.model} has no route.`);
      return preferred;
    },
  };
  return models;
}

function unpriced(model: string): FleetError {
  return new FleetError(
    "unknown_price",
    `No price is known for the model "${model}". Add it to the file that PRICES names; 0 is a price.`,
  );
}
