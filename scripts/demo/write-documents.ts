import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderArtefact, type Document } from "../../src/producer/render-artefact.ts";

/** Writes a delivered report as HTML and Markdown; returns the path of the HTML. */
export function writeDocuments(dir: string, document: Document): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, document.report.id);
  writeFileSync(`${path}.md`, renderArtefact(document, "md"));
  writeFileSync(`${path}.html`, renderArtefact(document, "html"));
  return `${path}.html`;
}
