/**
 * Who works at the console. Roles contain each other: a viewer reads, a reviewer also reads prompts and answers and decides
 * what waits for a person, an admin also moves money, breakers, routes, keys and the spending switch.
 */
export const PERSON_ROLES = ["viewer", "reviewer", "admin"] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

export const PERSON_NAME = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/;
export const PERSON_NAME_RULE =
  "letters, digits and _ . @ -, starting with a letter or digit, at most 64 characters";

export interface Person {
  name: string;
  role: PersonRole;
}

export function holdsRole({ role }: Pick<Person, "role">, least: PersonRole): boolean {
  return PERSON_ROLES.indexOf(role) >= PERSON_ROLES.indexOf(least);
}

/** As the audit keeps it; an API key's name reads `<name> (API key <id>)`. */
export function personInAudit({ name }: Pick<Person, "name">): string {
  return `${name} (console)`;
}
