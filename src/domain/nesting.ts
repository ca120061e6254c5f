/**
 * How deep a text is nested, before anybody parses it. `JSON.parse` takes any depth; whatever walks the value afterwards, to
 * compare, redact or write it down again, runs out of stack on a hundred thousand brackets.
 */
const MOST_NESTED = 200;

/** Brackets inside strings do not count. One pass, whatever the text. */
export function isNestedTooDeeply(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const sign = text[index];
    if (quoted) {
      if (sign === "\\") index += 1;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === "{" || sign === "[") {
      depth += 1;
      if (depth > MOST_NESTED) return true;
    } else if (sign === "}" || sign === "]") depth = Math.max(0, depth - 1);
  }
  return false;
}
