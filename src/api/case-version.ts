/** The version of a review case as an ETag, and back. */
import type { ReviewCase } from "../domain/review.ts";
import { Problem } from "./problems.ts";

export function tagOf({ version }: Pick<ReviewCase, "version">): string {
  return `"${version}"`;
}

/** Undefined for `*`: whatever stands there now. */
export function versionIn(ifMatch: string | null): number | undefined {
  const tag = (ifMatch ?? "").trim();
  if (tag === "*") return undefined;
  const [, version] = /^"(\d{1,9})"$/.exec(tag) ?? [];
  if (version === undefined)
    throw new Problem(
      "precondition_failed",
      "This If-Match is not an ETag of a review case; read the case again.",
    );
  return Number(version);
}
