/**
 * Where in a model's raw answer the failure is: the value at the path that broke the schema, the place where something is
 * missing, or the character at which the JSON stops being JSON. A person who reads forty lines of it looks there first.
 *
 * The text is nobody's promise: prose and fences may stand around the JSON, and it may be broken anywhere.
 */
import {
  findNodeAtLocation,
  parseTree,
  printParseErrorCode,
  type JSONPath,
  type Node,
  type ParseError,
} from "jsonc-parser";

export interface FailingPlace {
  /** Equal where something is missing at this point. */
  start: number;
  end: number;
  says: string;
}

interface Question {
  text: string;
  /** As the contract writes it, such as `findings[2].severity`; null where no check got that far. */
  path: string | null;
  /** Whether the provider said that there was no room left. */
  cut: boolean;
}

/** Longer texts are no answers, and are not searched while a person waits. */
const MOST_CHARS = 1_000_000;
/** A text may hold other brackets before the JSON that is meant. */
const MOST_STARTS = 20;
const STRICT = { disallowComments: true, allowTrailingComma: false };

export function failingPlace({ text, path, cut }: Question): FailingPlace | null {
  if (text.length > MOST_CHARS) return null;
  const found = path === null ? null : placeAt(text, parsePath(path));
  if (found !== null) return found;
  if (cut) return { start: text.length, end: text.length, says: "the answer was cut off here" };
  return brokenAt(text);
}

const SEGMENT = /\.?([\p{L}_$][\p{L}\p{N}_$-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/uy;

/** The path of a failed check, as keys and indexes; empty where it is about the whole answer. */
export function parsePath(path: string): JSONPath {
  const keys: JSONPath = [];
  SEGMENT.lastIndex = 0;
  for (;;) {
    const [, name, index, quoted] = SEGMENT.exec(path) ?? [];
    if (name !== undefined) keys.push(name);
    else if (index !== undefined) keys.push(Number(index));
    else if (quoted !== undefined) keys.push(JSON.parse(quoted) as string);
    else return keys;
  }
}

/** The value at the path in whichever JSON of the text has most of it. */
function placeAt(text: string, path: JSONPath): FailingPlace | null {
  if (path.length === 0) return null;
  let best: { place: FailingPlace; depth: number } | null = null;
  for (const { root } of treesIn(text)) {
    for (let depth = path.length; depth > (best?.depth ?? -1); depth--) {
      const node = findNodeAtLocation(root, path.slice(0, depth));
      if (node === undefined) continue;
      best = { place: markOf(node, path[depth]), depth };
      break;
    }
    if (best?.depth === path.length) break;
  }
  return best?.place ?? null;
}

/** `missing` is what should be in the node and is not; undefined where the node itself is wrong. */
function markOf(node: Node, missing: string | number | undefined): FailingPlace {
  const end = node.offset + node.length;
  if (missing === undefined) return { start: node.offset, end, says: "this does not fit" };
  if (node.type !== "object" && node.type !== "array")
    return { start: node.offset, end, says: `"${missing}" was expected in here` };
  // Before the closing bracket, where it would be written.
  return { start: end - 1, end: end - 1, says: `"${missing}" is missing in here` };
}

const WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is no JSON",
  InvalidNumberFormat: "this is no number",
  PropertyNameExpected: "a name in quotation marks should stand here",
  ValueExpected: "a value should stand here",
  ColonExpected: "a colon should stand here",
  CommaExpected: "a comma should stand here",
  CloseBraceExpected: "an object is never closed",
  CloseBracketExpected: "a list is never closed",
  InvalidCommentToken: "JSON has no comments",
  UnexpectedEndOfComment: "JSON has no comments",
  UnexpectedEndOfString: "a text is never closed",
  UnexpectedEndOfNumber: "a number is cut off",
  InvalidUnicode: "this escape is no character",
  InvalidEscapeCharacter: "this escape is none of JSON's",
  InvalidCharacter: "this character may not stand in a text as it is",
};

/** The first thing that is wrong with the first JSON of the text; null where that is fine, or there is none. */
function brokenAt(text: string): FailingPlace | null {
  for (const { errors, isWhole } of treesIn(text)) {
    // Prose after the JSON is no fault of the JSON.
    const first = errors.find(({ error }) => printParseErrorCode(error) !== "EndOfFileExpected");
    if (first === undefined) {
      if (isWhole) return null;
      continue;
    }
    const start = Math.min(first.offset, text.length);
    const says = WORDS[printParseErrorCode(first.error)] ?? "the JSON breaks here";
    return { start, end: Math.min(text.length, start + Math.max(1, first.length)), says };
  }
  return null;
}

interface Tree {
  root: Node;
  errors: ParseError[];
  /** More than a bracket in prose, such as [2]. */
  isWhole: boolean;
}

function* treesIn(text: string): Generator<Tree> {
  let from = 0;
  for (let starts = 0; starts < MOST_STARTS; starts++) {
    const start = from + text.slice(from).search(/[{[]/);
    if (start < from) return;
    const errors: ParseError[] = [];
    // As long as the text, so that every place in it is one of the text.
    const root = treeFrom(" ".repeat(start) + text.slice(start), errors);
    if (root === null) return;
    yield { root, errors, isWhole: (root.children?.length ?? 0) > 1 || root.type === "object" };
    from = Math.max(start + 1, root.offset + root.length);
  }
}

function treeFrom(text: string, errors: ParseError[]): Node | null {
  try {
    return parseTree(text, errors, STRICT) ?? null;
  } catch (error) {
    // Brackets nested deeper than any answer: the parser calls itself for each.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
