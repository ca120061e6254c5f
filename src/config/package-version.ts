/** The version of this package, for whoever asks and for the process registry. */
import { readFileSync } from "node:fs";

// Beside the sources in a clone, one folder further up from dist/.
const MANIFESTS = ["../../package.json", "../../../package.json"];

export function packageVersion(): string {
  for (const up of MANIFESTS) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        version?: unknown;
      };
      if (typeof manifest.version === "string") return manifest.version;
    } catch {
      // Not there.
    }
  }
  return "unknown";
}
