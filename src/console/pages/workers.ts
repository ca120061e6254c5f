/** The processes of the fleet, what each has in hand, and which of them begin nothing more. */
import { z } from "zod";
import {
  drainProcess,
  listInHand,
  listProcesses,
  type JobInHand,
  type ProcessRecord,
} from "../../store/processes.ts";
import type { Store } from "../../store/redis.ts";
import { form, why, whyField } from "../form.ts";
import { count, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Visit } from "../page.ts";

const MOST_JOBS = 20;

const workers = page({
  path: "/workers",
  role: "viewer",
  async show(visit) {
    const { store } = visit.desk;
    const processes = await listProcesses(store);
    const rows = await Promise.all(
      processes
        .toSorted((a, b) => a.roles.localeCompare(b.roles) || a.id.localeCompare(b.id))
        .map(async (process) => ({ process, jobs: await listInHand(store, process.id) })),
    );
    const versions = [...new Set(processes.map(({ version }) => version))];
    const writing = processes.filter(({ roles }) => roles.includes("worker"));
    return {
      title: "Workers",
      nav: "workers",
      body: html`<h1>Workers</h1>
        ${
          writing.length === 0
            ? html`<p class="banner bad" role="status">
                No process with the role worker is registered, so no section is written. Start one:
                <code>report-fleet start --roles worker</code>
              </p>`
            : NOTHING
        }
        ${
          versions.length > 1
            ? html`<p class="banner warn">
                Several versions run side by side: ${versions.join(", ")}. That is normal during a deploy.
              </p>`
            : NOTHING
        }
        <p class="muted">
          A process that has not been heard of for fifteen seconds is taken for dead, and what it had in hand
          goes to others.
        </p>
        ${rows.length === 0 ? NOTHING : table(visit, rows)}`,
    };
  },
});

interface Row {
  process: ProcessRecord;
  jobs: JobInHand[];
}

function table(visit: Visit, rows: readonly Row[]): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Process</th>
        <th>Roles</th>
        <th>Version</th>
        <th>State</th>
        <th>In hand</th>
        <th><span class="sr">Decide</span></th>
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map(
        ({ process, jobs }) =>
          html`<tr>
            <td class="mono">${process.id}<br /><small>pid ${process.pid}</small></td>
            <td>${process.roles.replaceAll(",", ", ")}</td>
            <td data-label="Version">${process.version}</td>
            <td>
              ${process.drainedBy === null ? status("running") : html`${status("waiting_for_retry", "drained")} <small>by ${process.drainedBy}</small>`}
            </td>
            <td data-label="In hand">${inHand(jobs)}</td>
            <td>
              ${visit.may("admin") && process.roles.includes("worker") ? drainForm(visit, process) : NOTHING}
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function inHand(jobs: readonly JobInHand[]): Html {
  if (jobs.length === 0) return html`<span class="muted">nothing</span>`;
  return html`<details>
    <summary>${count(jobs.length)} ${jobs.length === 1 ? "job" : "jobs"}</summary>
    <ul>
      ${jobs
        .slice(0, MOST_JOBS)
        .map(
          ({ report, section, queue }) =>
            html`<li>
              ${report === null ? queue : html`<a href="/console/reports/${report}">${report}</a> ${section ?? "as a whole"}`}
            </li>`,
        )}
    </ul>
  </details>`;
}

function drainForm(visit: Visit, { id, drainedBy }: ProcessRecord): Html {
  const draining = drainedBy === null;
  return html`<details class="action">
    <summary>${draining ? "Drain" : "Let it work again"}</summary>
    ${form(
      visit,
      `/workers/${encodeURIComponent(id)}/${draining ? "drain" : "undrain"}`,
      html`${draining ? html`<p>It begins no section any more; what it has in hand is finished. Then it can be ended without cost.</p>` : NOTHING}
        ${whyField(`why-${id}`)} <button>${draining ? "Drain it" : "Let it take sections"}</button>`,
    )}
  </details>`;
}

const drain = action({
  path: "/workers/:id/drain",
  role: "admin",
  params: z.object({ id: z.string().max(200) }),
  form: z.object({ why }),
  act: ({ desk, by, params }, form_) => tell(desk.store, params.id, true, { by, why: form_.why }),
});

const undrain = action({
  path: "/workers/:id/undrain",
  role: "admin",
  params: z.object({ id: z.string().max(200) }),
  form: z.object({ why }),
  act: ({ desk, by, params }, form_) => tell(desk.store, params.id, false, { by, why: form_.why }),
});

async function tell(store: Store, id: string, on: boolean, decided: { by: string; why: string }) {
  const outcome = await drainProcess(store, id, on, decided);
  if (outcome === "unknown") return { said: `${id} is not registered any more; it has ended.` };
  if (outcome === "already")
    return { said: on ? `${id} was drained before.` : `${id} takes sections already.` };
  return { said: on ? `${id} begins no section from its next beat on.` : `${id} takes sections again.` };
}

export const workerPages = [workers, drain, undrain];
