/**
 * The document as the customer reads it. It is a model's text about a stranger's data: it comes as an answer of its own,
 * in a frame that may run nothing, load nothing and reach nothing of the page around it.
 */
import { readDocument } from "../../producer/read-document.ts";
import { FORMATS, renderArtefact } from "../../producer/render-artefact.ts";
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { isFleetError } from "../../domain/fleet-error.ts";
import { readOutput } from "../../store/read-sections.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { reportLink } from "../links.ts";
import { page, type ConsoleDesk } from "../page.ts";
import { anId, reportShown, seeReport, type Seen } from "./report-frame.ts";

const CONTENT_TYPES = { md: "text/markdown", html: "text/html", json: "application/json" } as const;
const ONLY_ITS_STYLES = {
  defaultSrc: ["'none'"],
  styleSrc: ["'unsafe-inline'"],
  imgSrc: ["data:"],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  frameAncestors: ["'self'"],
  sandbox: [],
};

const shown = page({
  path: "/reports/:id/document",
  role: "viewer",
  params: anId,
  async show(visit) {
    const seen = await seeReport(visit.desk.store, visit.params.id);
    const { report, delivered } = seen.stored;
    const hasDocument = report.status === "completed" || delivered !== null;
    const body = hasDocument
      ? html`<p class="row">
            ${FORMATS.map((format) => html`<a href="${reportLink(report.id, `document/${format}`)}">${format}</a>`)}
          </p>
          <iframe
            class="document"
            sandbox
            title="The document"
            src="${reportLink(report.id, "document/framed")}"
          ></iframe>`
      : await outputs(visit.desk, seen, visit.may("reviewer"));
    return reportShown(visit, seen, "document", body, { frames: true });
  },
});

/** Before there is a document: what each finished section came to. */
async function outputs({ store }: ConsoleDesk, { stored, sections }: Seen, mayRead: boolean): Promise<Html> {
  const finished = sections.filter(({ status }) => status === "completed");
  const words = html`<p class="muted">
    Nothing was delivered${finished.length === 0 ? "" : " yet; this is what is written so far"}.
  </p>`;
  if (!mayRead) return words;
  const read = await Promise.all(finished.map(({ key }) => readOutput(store, stored.report.id, key)));
  return html`${words}
  ${finished.map(({ title }, at) => {
    const output = read[at];
    if (output === undefined) return NOTHING;
    const text = !output.ok
      ? output.because
      : typeof output.output === "string"
        ? output.output
        : JSON.stringify(output.output, null, 2);
    return html`<h2>${title}</h2>
      <pre tabindex="0">${text}</pre>`;
  })}`;
}

const file = page({
  path: "/reports/:id/document/:format",
  role: "viewer",
  params: z.object({ id: z.string().max(200), format: z.enum([...FORMATS, "framed"]) }),
  async show({ desk, params: { id, format } }) {
    const { stored } = await seeReport(desk.store, id);
    const document = await readDocument(desk.store, stored.report.id, (type) => desk.types.get(type)).catch(
      (error: unknown) => {
        throw isFleetError(error) ? new Problem("not_deliverable", error.message) : error;
      },
    );
    if (format === "framed")
      return {
        text: renderArtefact(document, "html"),
        contentType: "text/html; charset=utf-8",
        policy: ONLY_ITS_STYLES,
      };
    return {
      text: renderArtefact(document, format),
      contentType: `${CONTENT_TYPES[format]}; charset=utf-8`,
      fileName: `${id}.${format}`,
      policy: ONLY_ITS_STYLES,
    };
  },
});

export const reportDocumentPages = [shown, file];
