/** A delivered report as a document: Markdown, HTML with its provenance, or JSON with everything. */
import { formatUsd } from "../domain/ids.ts";
import { totalSpend } from "../domain/failure.ts";
import type { Delivered, Report } from "../domain/report.ts";
import { renderHtml } from "../report-types/render.ts";
import type { Artefact } from "../store/deliver.ts";
import type { ReportEvent } from "../store/follow-reports.ts";

export const FORMATS = ["md", "html", "json"] as const;
export type Format = (typeof FORMATS)[number];

export interface Document {
  report: Report;
  delivered: Delivered;
  /** Where the missing parts of a partial delivery are being written: how far they are. */
  stillOpen: string | null;
  artefact: Artefact;
  hash: string;
  /** Keys and titles of what was planned; what the artefact lacks of it is named. */
  planned: readonly { key: string; title: string }[];
  /** As each answer was recorded with, most calls first. */
  models: readonly string[];
  /** Where the version that wrote it is at hand. */
  promptVersions: readonly string[];
}

export function renderArtefact(document: Document, format: Format): string {
  switch (format) {
    case "md":
      return markdownOf(document);
    case "html":
      return htmlOf(document);
    case "json":
      return `${JSON.stringify(jsonOf(document), null, 2)}\n`;
  }
}

function markdownOf(document: Document): string {
  const { artefact } = document;
  const missing = missingFrom(document);
  const notes = [
    missing.length === 0 ? "" : `> This is a partial delivery. Not included: ${missing.join(", ")}.`,
    ...unreviewedIn(artefact).map((title) => `> Delivered without an editor's review: ${title}.`),
    ...editedIn(artefact).map((title) => `> Edited by hand: ${title}.`),
  ].filter((note) => note !== "");
  const parts = [`# ${artefact.title}`, ...notes, artefact.markdown.trimEnd()];
  return `${parts.join("\n\n")}\n`;
}

function htmlOf(document: Document): string {
  const { artefact, delivered } = document;
  return renderHtml({
    title: artefact.title,
    markdown: artefact.markdown,
    report: { id: artefact.report, type: artefact.type },
    date: new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(
      delivered.deliveredAt,
    ),
    provenance: provenanceOf(document),
    unreviewed: unreviewedIn(artefact),
    edited: editedIn(artefact),
    missing: missingFrom(document),
  });
}

/** Everything by which a reader can check the document, or a supporter find out how it came to be. */
export function provenanceOf(document: Document): { label: string; value: string }[] {
  const { artefact, report, hash, models, promptVersions } = document;
  const { receipt } = artefact;
  return [
    { label: "Report", value: artefact.report },
    { label: "Report type", value: `${artefact.type}, version ${receipt.typeVersion}` },
    ...(models.length === 0
      ? []
      : [{ label: models.length === 1 ? "Model" : "Models", value: models.join(", ") }]),
    ...(promptVersions.length === 0 ? [] : [{ label: "Prompt versions", value: promptVersions.join(", ") }]),
    { label: "Spend", value: formatUsd(totalSpend(report.spend)) },
    { label: "Charge", value: `${receipt.credits} credits` },
    { label: "Source (SHA-256)", value: receipt.sourceHash },
    { label: "Document (SHA-256)", value: hash },
  ];
}

function jsonOf(document: Document) {
  const { artefact, report, delivered, hash, models } = document;
  return {
    id: artefact.report,
    type: artefact.type,
    delivered: true,
    delivery: delivered.delivery,
    title: artefact.title,
    markdown: artefact.markdown,
    sections: artefact.sections.map(({ edited, ...section }) => ({
      ...section,
      edited: edited !== undefined,
    })),
    missing: missingFrom(document),
    receipt: { ...artefact.receipt, spentMicros: totalSpend(report.spend), models, artefactHash: hash },
  };
}

function unreviewedIn({ sections }: Artefact): string[] {
  return sections.filter(({ unreviewed }) => unreviewed !== null).map(({ title }) => title);
}

/** Who edited and why is the seller's business and stays in the record. */
function editedIn({ sections }: Artefact): string[] {
  return sections.filter(({ edited }) => edited !== undefined).map(({ title }) => title);
}

function missingFrom({ artefact, planned, delivered }: Document): string[] {
  if (delivered.delivery === "full") return [];
  const there = new Set(artefact.sections.map(({ key }) => key));
  return planned.filter(({ key }) => !there.has(key)).map(({ title }) => title);
}

/** The models that answered, by the provider's own account. */
export function modelsIn(events: readonly ReportEvent[]): string[] {
  const counts = new Map<string, number>();
  for (const { event } of events) {
    if (event.event === "call.answered") counts.set(event.model, (counts.get(event.model) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([model]) => model);
}
