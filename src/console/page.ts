/**
 * A page and an action as values: which address, which role, what is read from the address or the form, and what is
 * shown or done. `console.ts` serves them all alike: login, role, CSRF and errors are decided there, once.
 *
 * An action answers 303, so that going back or loading again repeats nothing; it needs no script in the browser. Whatever
 * it changes is audited by the store's own script under `visit.by`.
 */
import type { z } from "zod";
import type { ApiDesk } from "../api/route.ts";
import type { Person, PersonRole } from "../domain/person.ts";
import type { SpendCaps } from "../domain/route.ts";
import type { Html } from "./html.ts";

/** What pages work with: the API's own, and what only people see. */
export interface ConsoleDesk extends ApiDesk {
  caps: SpendCaps;
  /** Such as `production`; null where nobody said. */
  environment: string | null;
}

export interface Visit<Params = unknown, Query = unknown> {
  params: Params;
  query: Query;
  desk: ConsoleDesk;
  person: Person;
  /** The person, as the audit keeps them. */
  by: string;
  may(least: PersonRole): boolean;
  /** Goes into every form; see `form.ts`. */
  csrf: string;
  /** Path and query as asked for, to come back to. */
  here: string;
}

export interface ShownPage {
  title: string;
  body: Html;
  /** Its place in the navigation, where it has one. */
  nav?: string;
  status?: 200 | 404 | 409 | 422;
  /** Keys of the page's own (`data-key`), for the help. */
  keys?: readonly (readonly [key: string, what: string])[];
  /** Set where the page shows a document of ours in a frame. */
  frames?: true;
}

export type Shown =
  | ShownPage
  | { to: string }
  /** For files and for documents in frames; the policy is the answer's own. */
  | { text: string; contentType: string; fileName?: string; policy?: Record<string, string[]> };

export interface PageDefinition<Params extends z.ZodType = z.ZodType, Query extends z.ZodType = z.ZodType> {
  /** Below `/console`, as express writes it: `/reports/:id`. */
  path: string;
  role: PersonRole;
  params?: Params;
  /** Filters belong in the address; give each a `.catch()`, so that an old link still opens. */
  query?: Query;
  show(visit: Visit<z.output<Params>, z.output<Query>>): Promise<Shown>;
}

/** `said` is told on the page it leads to. Without `to`, the page the form stood on. */
export type Done = { to?: string; said?: string } | { shown: Shown };

export interface ActionDefinition<Params extends z.ZodType = z.ZodType, Form extends z.ZodType = z.ZodType> {
  path: string;
  role: PersonRole;
  params?: Params;
  form: Form;
  /** For forms that carry a text or a document; 64 KB otherwise. */
  maxBytes?: number;
  act(visit: Visit<z.output<Params>>, form: z.output<Form>): Promise<Done>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- a list of pages has other schemas in each place
export type Page = { kind: "page" } & PageDefinition<any, any>;
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export type Action = { kind: "action" } & ActionDefinition<any, any>;

/** Only infer the types of the functions from the schemas. */
export function page<Params extends z.ZodType, Query extends z.ZodType>(
  definition: PageDefinition<Params, Query>,
): Page {
  return { kind: "page", ...definition };
}

export function action<Params extends z.ZodType, Form extends z.ZodType>(
  definition: ActionDefinition<Params, Form>,
): Action {
  return { kind: "action", ...definition };
}
