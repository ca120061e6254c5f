import type { ModelConfig } from "../domain/call.ts";
import { DEFAULT_MODEL } from "./define-report.ts";

/** What a call asks of a model. The narrower word wins: pass the type's, the section's, the call's, in this order. */
export function modelConfig(...layers: readonly (Partial<ModelConfig> | undefined)[]): ModelConfig {
  return layers.reduce<ModelConfig>(
    (wider, layer) => ({
      model: layer?.model ?? wider.model,
      maxOutputTokens: layer?.maxOutputTokens ?? wider.maxOutputTokens,
      ...temperatureOf(layer?.temperature ?? wider.temperature),
    }),
    DEFAULT_MODEL,
  );
}

/** Absent, not undefined: an absent temperature leaves no trace in the call key. */
function temperatureOf(temperature: number | undefined): Pick<ModelConfig, "temperature"> {
  return temperature === undefined ? {} : { temperature };
}
