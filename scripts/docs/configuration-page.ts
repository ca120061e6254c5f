/** docs/configuration.md, made from the list in `src/config/environment.ts`; a test holds the two together. */
import { AREAS } from "../../src/config/environment.ts";
import type { Setting } from "../../src/config/settings.ts";

const INTRODUCTION = `# Configuration

<!-- Made by \`npm run docs\` from src/config/environment.ts; a change here is overwritten. -->

Everything is set by environment variables, read once when a process starts, and checked all together: a wrong one
refuses to start and names every wrong variable. An empty variable counts as not set. \`report-fleet config print\` shows
what is in force, with secrets masked; \`report-fleet doctor\` checks it against the live fleet.

**For** names who needs it: the roles \`api\`, \`orchestrator\` and \`worker\`, and \`commands\` for the rest of the command
line. Setting it elsewhere does no harm, except that a provider key should be where it is needed only.
`;

export function configurationPage(settings: readonly Setting[]): string {
  const areas = AREAS.map((area) => {
    const rows = settings.filter((setting) => setting.area === area);
    return `## ${area}\n\n| setting | for | value | default | |\n|---|---|---|---|---|\n${rows.map(row).join("\n")}\n`;
  });
  return [INTRODUCTION, ...areas].join("\n");
}

function row({ name, roles, schema, fallback, meaning, shownDefault }: Setting): string {
  const everywhere = roles.length === 4 ? "all" : roles.join(", ");
  const unset = shownDefault ?? (fallback === null ? "" : `\`${fallback}\``);
  return `| \`${name}\` | ${everywhere} | ${valueOf(schema)} | ${unset} | ${meaning} |`;
}

/** What may be set, in the words of a person. */
function valueOf(schema: Readonly<Record<string, unknown>>): string {
  const alternatives = schema["anyOf"] as Readonly<Record<string, unknown>>[] | undefined;
  const { type, format, enum: words, minimum, maximum, exclusiveMinimum } = alternatives?.[0] ?? schema;
  // Other spellings are taken as well; one pair is enough to know.
  if (Array.isArray(words) && words.includes("true")) return "`true` `false`";
  if (Array.isArray(words)) return words.map((word) => `\`${String(word)}\``).join(" ");
  if (format === "uri") return "URL";
  if (type !== "integer" && type !== "number") return "text";
  const kind = type === "integer" ? "whole number" : "number";
  const least = typeof minimum === "number" ? minimum : null;
  const most = typeof maximum === "number" && maximum < Number.MAX_SAFE_INTEGER ? maximum : null;
  if (least !== null && most !== null) return `${kind}, ${least} to ${most}`;
  const lower = exclusiveMinimum === 0 ? " above 0" : least === null ? "" : `, ${least} or more`;
  return most === null ? `${kind}${lower}` : `${kind}${lower}, up to ${most}`;
}
