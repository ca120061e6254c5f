/** The browser that the console's tests and screenshots use: the machine's own, or Debian's. */
import { programOnPath } from "../redis/find-redis.ts";
import { findOrInstall } from "./find-or-install.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

export function findChromium(say: (line: string) => void): Promise<string> {
  return findOrInstall(
    {
      name: "Chromium",
      // Without a font a page has no letters to be looked at.
      packages: ["chromium", "fonts-dejavu-core"],
      service: null,
      find: () => NAMES.map(programOnPath).find((path) => path !== null) ?? null,
    },
    say,
  );
}
