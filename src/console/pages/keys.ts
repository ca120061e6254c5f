/** The keys of the HTTP API: made once, shown once, refused everywhere at the next request after they are revoked. */
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { checkNewKey } from "../../desk/check-new-key.ts";
import { isKeyId, isValid, SCOPES, type ApiKey } from "../../domain/api-key.ts";
import { createApiKey, listApiKeys, revokeApiKey } from "../../store/api-keys.ts";
import { redisNow } from "../../store/redis.ts";
import { form, why, whyField } from "../form.ts";
import { ago, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Visit } from "../page.ts";

const MOST_KEYS = 500;
const DAY_MS = 86_400_000;

const keys = page({
  path: "/keys",
  role: "admin",
  async show(visit) {
    const [known, now] = await Promise.all([
      listApiKeys(visit.desk.store, MOST_KEYS),
      redisNow(visit.desk.store),
    ]);
    return {
      title: "Keys",
      nav: "keys",
      body: html`<h1>API keys</h1>
        <p class="muted">
          A key belongs to one account and sees nothing else, or to the fleet. What changes the fleet or its
          money is never given to an account's key.
        </p>
        ${newKey(visit)}
        <div id="keys">
          ${known.length === 0 ? html`<p class="muted">There is no key yet.</p>` : table(visit, known, now)}
        </div>`,
    };
  },
});

function newKey(visit: Visit): Html {
  return html`<details class="action">
    <summary>Make a key</summary>
    ${form(
      visit,
      "/keys/new",
      html`<label for="key-name">Name</label>
        <input id="key-name" name="name" required maxlength="100" autocomplete="off" placeholder="web shop" />
        <label for="key-account">Account (empty: the fleet)</label>
        <input id="key-account" name="account" maxlength="64" autocomplete="off" />
        <fieldset>
          <legend>May</legend>
          ${SCOPES.map(
            (scope) =>
              html`<label><input type="checkbox" name="scope.${scope}" value="on" /> ${scope}</label> `,
          )}
        </fieldset>
        <label for="key-days">Ends after days (empty: never)</label>
        <input id="key-days" name="days" inputmode="numeric" pattern="[0-9]{1,4}" autocomplete="off" />
        <button>Make it</button>`,
    )}
  </details>`;
}

function table(visit: Visit, known: readonly ApiKey[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Key</th>
        <th>Account</th>
        <th>May</th>
        <th>State</th>
        <th class="num">Last used</th>
        <th><span class="sr">Decide</span></th>
      </tr>
    </thead>
    <tbody data-rows>
      ${known.map(
        (key) =>
          html`<tr>
            <td>${key.name}<br /><small class="mono">${key.id}</small></td>
            <td data-label="Account">${key.account ?? "the fleet"}</td>
            <td>${key.scopes.join(", ")}</td>
            <td>${stateOf(key, now)}</td>
            <td class="num" data-label="Used">
              ${key.lastUsedAt === null ? "never" : ago(key.lastUsedAt, now)}
            </td>
            <td>${isValid(key, now) ? revokeForm(visit, key) : NOTHING}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function stateOf(key: ApiKey, now: number): Html {
  if (key.revokedAt !== null)
    return html`${status("cancelled", "revoked")} <small>${ago(key.revokedAt, now)}</small>`;
  if (!isValid(key, now)) return status("cancelled", "ended");
  return key.expiresAt === null
    ? status("completed", "valid")
    : html`${status("completed", "valid")} <small>until ${ago(key.expiresAt, now)}</small>`;
}

function revokeForm(visit: Visit, { id }: ApiKey): Html {
  return html`<details class="action">
    <summary>Revoke</summary>
    ${form(
      visit,
      `/keys/${id}/revoke`,
      html`${whyField(`why-${id}`, "it was in a log")} <button class="danger">Refuse it from now on</button>`,
    )}
  </details>`;
}

const create = action({
  path: "/keys/new",
  role: "admin",
  form: z
    .object({
      name: z.string().trim().min(1, "a name is needed").max(100),
      account: z.string().trim().max(64).default(""),
      days: z
        .string()
        .trim()
        .regex(/^\d{0,4}$/, "a number of days")
        .default(""),
    })
    .catchall(z.string()),
  async act({ desk, by }, { name, account, days, ...fields }) {
    const scopes = SCOPES.filter((scope) => fields[`scope.${scope}`] === "on");
    if (scopes.length === 0)
      throw new Problem("invalid_input", "A key that may do nothing is no use; choose what it may.");
    const wanted = { name, account: account === "" ? null : account, scopes };
    checkNewKey(wanted);
    const expiresAt = days === "" ? null : (await redisNow(desk.store)) + Number(days) * DAY_MS;
    const { key, text } = await createApiKey(desk.store, { ...wanted, expiresAt, by });
    return {
      shown: {
        title: "A new key",
        nav: "keys",
        body: html`<h1>The key of ${key.name}</h1>
          <p class="banner warn">It is shown now and never again. Keep it before you leave this page.</p>
          <pre data-id="${text}">${text}</pre>
          <p><a class="button" href="/console/keys">I have it</a></p>`,
      },
    };
  },
});

const revoke = action({
  path: "/keys/:id/revoke",
  role: "admin",
  params: z.object({ id: z.string().max(100) }),
  form: z.object({ why }),
  async act({ desk, by, params: { id } }, form_) {
    const outcome = isKeyId(id) ? await revokeApiKey(desk.store, id, by, form_.why) : "unknown";
    if (outcome === "unknown") throw new Problem("not_found", "There is no such key.");
    return {
      said: outcome === "revoked" ? `The key ${id} is refused from now on.` : `${id} was revoked before.`,
    };
  },
});

export const keyPages = [keys, create, revoke];
