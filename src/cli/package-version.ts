/** The version in our own package.json. */
import { readFileSync } from "node:fs";

export function packageVersion(): string {
  // Two folders up in a clone, three from dist/.
  for (const up of ["../../package.json", "../../../package.json"]) {
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
