/**
 * Which route answers a logical model. Report types say `default` or a model's own name; where the calls go and what
 * they cost is configuration.
 */
import { FleetError } from "../domain/fleet-error.ts";
import type { ModelConfig } from "../domain/call.ts";
import type { ResponseFormat, Route } from "./port.ts";
import { priceOf, type PriceOverrides } from "./prices.ts";
import { providerOf, routeFromSettings } from "./routes.ts";

export interface ModelSettings {
  baseUrl: string;
  apiKey: string;
  /** The model that answers `default`. */
  model: string;
  responseFormat: ResponseFormat;
  stream: boolean;
  timeouts: Route["timeouts"];
  prices: PriceOverrides;
}

export interface Models {
  routeOf(model: Pick<ModelConfig, "model">): Route;
  /** False where no price is known: such a model is never asked, since an unknown price is not zero. */
  priceKnown(model: string): boolean;
}

export function modelsOf(settings: ModelSettings): Models {
  const routes = new Map<string, Route>();
  const nameOf = (model: string) => (model === "default" ? settings.model : model);
  const priceFor = (model: string) => priceOf(nameOf(model), providerOf(settings.baseUrl), settings.prices);
  return {
    priceKnown: (model) => priceFor(model) !== null,
    routeOf({ model }) {
      let route = routes.get(model);
      if (route === undefined) {
        const price = priceFor(model);
        if (price === null) {
          throw new FleetError(
            "unknown_price",
            `No price is known for the model "${nameOf(model)}". Add it to the file that PRICES names; 0 is a price.`,
          );
        }
        const { baseUrl, apiKey, responseFormat, stream, timeouts } = settings;
        route = routeFromSettings({
          baseUrl,
          apiKey,
          model: nameOf(model),
          responseFormat,
          stream,
          timeouts,
          price,
        });
        routes.set(model, route);
      }
      return route;
    },
  };
}
