/**
 * What a browser adds to pages that work without it: they stay current, times stay true, and hands stay on the keyboard.
 *
 * Live: an element with an id and `data-live="topic topic"` is replaced by its newest self whenever one of its topics
 * has changed. The page fetches itself again, so nothing is rendered here. Whatever a person is writing in, has opened or
 * has selected is left alone until they are done.
 */
const REFRESH_EVERY_MS = 1_000;

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

function announce(words) {
  const place = one("[data-announce]");
  if (place) place.textContent = words;
}

// ── Live ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const switchButton = one("[data-live-switch]");
let source = null;
let paused = sessionStorage.getItem("paused") === "yes";
let due = null;
let refreshedAt = 0;

function liveElements(root = document) {
  return all("[data-live][id]", root);
}

function say(state) {
  const place = one("[data-live-state]");
  if (place) place.textContent = state;
  switchButton?.setAttribute("aria-pressed", String(paused));
  switchButton?.setAttribute("title", paused ? "Resume live updates (p)" : "Pause live updates (p)");
}

function listen() {
  if (paused || document.hidden || source !== null || liveElements().length === 0) return;
  source = new EventSource("/console/events");
  source.addEventListener("open", () => say("live"));
  source.addEventListener("changed", ({ data }) => {
    const topics = new Set(JSON.parse(data));
    if (liveElements().some(({ dataset }) => dataset.live.split(" ").some((topic) => topics.has(topic))))
      refreshSoon();
  });
  source.addEventListener("error", () => {
    // Told to stop: the session is over.
    say(source?.readyState === EventSource.CLOSED ? "signed out" : "reconnecting");
  });
}

function rest() {
  source?.close();
  source = null;
}

function refreshSoon() {
  if (due !== null) return;
  due = setTimeout(() => void refresh(), Math.max(0, refreshedAt + REFRESH_EVERY_MS - Date.now()));
}

async function refresh() {
  try {
    const response = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "error" });
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const now of liveElements()) replace(now, fresh.getElementById(now.id));
    document.title = fresh.title;
  } catch {
    // Away for a moment; the stream says so, and the next change tries again.
  } finally {
    refreshedAt = Date.now();
    due = null;
  }
}

function replace(now, fresh) {
  if (fresh === null || now.innerHTML === fresh.innerHTML) return;
  if (isInUse(now)) {
    setTimeout(refreshSoon, REFRESH_EVERY_MS);
    return;
  }
  // What a person has opened stays open.
  for (const opened of all("details[id][open]", now))
    fresh.querySelector(`#${CSS.escape(opened.id)}`)?.setAttribute("open", "");
  const chosen = one("tr.chosen[id]", now)?.id;
  const focused = now.contains(document.activeElement) ? document.activeElement?.id : null;
  now.replaceChildren(...fresh.childNodes);
  if (chosen) document.getElementById(chosen)?.classList.add("chosen");
  if (focused) document.getElementById(focused)?.focus();
}

function isInUse(element) {
  const active = document.activeElement;
  if (active?.matches("input, textarea, select") && element.contains(active)) return true;
  if (
    all("textarea, input", element).some(
      (field) =>
        field.type !== "hidden" &&
        (field.value !== field.defaultValue || field.checked !== field.defaultChecked),
    )
  )
    return true;
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && element.contains(selection.anchorNode);
}

function pause(wanted) {
  paused = wanted;
  sessionStorage.setItem("paused", paused ? "yes" : "no");
  if (paused) rest();
  else {
    listen();
    void refresh();
  }
  say(paused ? "paused" : "live");
  announce(paused ? "Live updates are paused" : "Live updates go on");
}

if (liveElements().length > 0) {
  switchButton?.removeAttribute("hidden");
  switchButton?.addEventListener("click", () => pause(!paused));
  say(paused ? "paused" : "connecting");
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) rest();
    else if (!paused) {
      listen();
      refreshSoon();
    }
  });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", listen);
}

// ── Times ───────────────────────────────────────────────────────────────────────────────────────────────────────────

// The browser's clock may be wrong, ours is not: only what has passed since the page came is added.
function shortWait(ms) {
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

const offset = Number(document.body.dataset.now ?? Date.now()) - Date.now();

function tellTimes() {
  for (const time of all("time[data-ago]")) {
    const ms = Date.now() + offset - Date.parse(time.dateTime);
    const words = Math.abs(ms) < 5_000 ? "now" : ms < 0 ? `in ${shortWait(-ms)}` : `${shortWait(ms)} ago`;
    if (time.textContent !== words) time.textContent = words;
  }
}
setInterval(() => {
  if (!paused && !document.hidden) tellTimes();
}, 5_000);

// ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────

document.addEventListener("submit", ({ target, submitter }) => {
  if (target.method !== "post") return;
  // Twice the same click is one wish. The button's own value is sent before it is switched off.
  setTimeout(() => submitter?.setAttribute("disabled", ""));
});
addEventListener("pageshow", () =>
  all("button[disabled]").forEach((button) => button.removeAttribute("disabled")),
);

// A filter that is chosen is asked for at once.
document.addEventListener("change", ({ target }) => {
  if (target.matches("form[data-auto] select, form[data-auto] input[type=checkbox]"))
    target.form.requestSubmit();
});

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// What is written is kept in this tab until it is sent: a session that ends, or a page left by mistake, costs no words.
const drafts = all("[data-draft]");
const draftOf = (field) => `draft ${location.pathname} ${field.name}`;

for (const field of drafts) {
  const kept = sessionStorage.getItem(draftOf(field));
  if (kept !== null && kept !== field.value) {
    field.value = kept;
    field.closest("details")?.setAttribute("open", "");
    announce("What you had written before is here again");
  }
}
document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-draft]")) sessionStorage.setItem(draftOf(target), target.value);
});
document.addEventListener("submit", ({ target, submitter }) => {
  // Asking what it would be is not sending it.
  if (submitter?.hasAttribute("formnovalidate")) return;
  for (const field of target.elements)
    if (field.matches("[data-draft]")) sessionStorage.removeItem(draftOf(field));
});

// A form with a button that checks it is checked as one writes: the page it leads to is read for the answers.
const checker = one("button[data-check]");
let checking = null;
let checkDue = null;

function checkSoon() {
  clearTimeout(checkDue);
  checkDue = setTimeout(() => void check(), 400);
}

async function check() {
  checking?.abort();
  checking = new AbortController();
  const fields = new URLSearchParams(new FormData(checker.form));
  fields.set(checker.name, checker.value);
  try {
    const response = await fetch(checker.form.action, {
      method: "POST",
      body: fields,
      signal: checking.signal,
    });
    if (!response.ok || response.redirected) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const now of all("[data-fresh][id]")) {
      const then = fresh.getElementById(now.id);
      if (then !== null && then.innerHTML !== now.innerHTML) now.replaceChildren(...then.childNodes);
    }
  } catch {
    // Overtaken by the next letter, or away for a moment; the button asks again.
  }
}

if (checker) {
  document.addEventListener("input", ({ target }) => {
    if (target.form === checker.form && target.matches("textarea")) checkSoon();
  });
  if (drafts.some((field) => field.matches("textarea") && field.value !== field.defaultValue)) checkSoon();
}

// Where a mistake stands in what one has written.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-select]");
  const field = button && one("textarea", button.closest("details"));
  if (!field) return;
  const [start, end] = button.dataset.select.split(",").map(Number);
  field.focus();
  field.setSelectionRange(start, Math.max(end, start + 1));
});

// ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const help = one("[data-help]");
let going = 0;

const KEYS = {
  "?": () => help?.showModal(),
  "/": () => one("[data-search]")?.focus(),
  g: () => {
    going = Date.now();
  },
  j: () => choose(1),
  k: () => choose(-1),
  Enter: () => one("tr.chosen a, li.chosen a")?.click(),
  p: () => switchButton && !switchButton.hidden && pause(!paused),
  ".": copyId,
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const send = one('[data-key="Mod+Enter"]');
    if (send === null || one("dialog[open]")) return;
    event.preventDefault();
    send.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isWriting = target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
  if (isWriting && key === "Escape") target.blur();
  if (isWriting || one("dialog[open]")) return;
  // Enter on a link or a button is theirs.
  if (key === "Enter" && target.matches("a, button, summary")) return;
  if (Date.now() - going < 1_500) {
    going = 0;
    const link = one(`[data-go="${CSS.escape(key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
    }
    return;
  }
  // A page's own keys: the element with data-key is pressed.
  const own = one(`[data-key="${CSS.escape(key)}"]`);
  if (own) {
    event.preventDefault();
    own.closest("details")?.setAttribute("open", "");
    if (own.matches("input, textarea, select")) own.focus();
    else own.click();
    return;
  }
  const act = KEYS[key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});

function choose(step) {
  const rows = all("[data-rows] > tr, [data-rows] > li");
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.classList.contains("chosen"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  rows[at]?.classList.remove("chosen");
  next.classList.add("chosen");
  next.scrollIntoView({ block: "nearest" });
  one("input[type=radio]:enabled", next)?.click();
  announce(one("a, label", next)?.textContent?.trim() ?? "");
}

async function copyId() {
  const id = one("[data-id]")?.dataset.id;
  if (id === undefined) return;
  try {
    await navigator.clipboard.writeText(id);
    announce(`Copied ${id}`);
  } catch {
    // Plain http has no clipboard: selected, it is one key away.
    getSelection()?.selectAllChildren(one("[data-id]"));
    announce("Selected; copy it with Ctrl+C");
  }
}
