/**
 * What the simulated writer understands of a prompt: the subject, the facts it was given, and what is wanted.
 *
 * No understanding is involved: labels, bullets, tables and JSON are looked for, because that is how report types hand
 * facts to a model. The aim is an answer that is about the order, with the order's own figures in it.
 */
import type { Message } from "../../domain/call.ts";
import { ADDED_BY_REVISION, type Theme } from "./phrases.ts";

export interface Fact {
  label: string;
  value: string;
}

export type Task = "write" | "revise" | "critique" | "summarise";

export interface Reading {
  task: Task;
  theme: Theme;
  subject: string;
  audience: string | null;
  /** How many words were asked for; null where nothing was said. */
  words: number | null;
  /** The level that headings were asked to begin with. */
  headingLevel: number;
  facts: readonly Fact[];
  /** The text under review, where the prompt marks it. */
  draft: string | null;
  /** How many revisions the text under review went through. */
  revisions: number;
}

/** A prompt may hold a source of megabytes; facts beyond this would not fit into an answer anyway. */
const MAX_READ_CHARS = 200_000;
const MAX_FACTS = 60;

export function readPrompt(messages: readonly Message[], criticIsAsked: boolean): Reading {
  const prompt = messages
    .map((message) => message.content)
    .join("\n\n")
    .slice(0, MAX_READ_CHARS);
  const instructions = instructionsOf(messages);
  const draft = /<(draft|article|report|text)>\s*([\s\S]*?)\s*<\/\1>/i.exec(prompt)?.[2] ?? null;
  // What a draft or an editor says is no fact of the order.
  const order = prompt.replaceAll(/<(draft|article|report|text|critique|feedback)>[\s\S]*?<\/\1>/gi, "\n");
  return {
    task: taskOf(instructions, criticIsAsked),
    theme: themeOf(instructions),
    subject: subjectOf(order),
    audience: labelled(order, /^(?:[-*]\s*)?(?:\*\*)?(?:audience|readers?)(?:\*\*)?\s*:\s*(.{2,120})$/im),
    words: wordsOf(order),
    headingLevel: headingLevelOf(instructions),
    facts: factsOf(order),
    draft,
    revisions: ADDED_BY_REVISION.filter((part) => prompt.includes(`## ${part.heading}`)).length,
  };
}

/** What is asked is said in the system prompt and at the beginning or the end of the rest; between lies the material. */
function instructionsOf(messages: readonly Message[]): string {
  return messages
    .map(({ role, content }) =>
      role === "system" ? content.slice(0, 2_000) : `${content.slice(0, 500)}\n${content.slice(-300)}`,
    )
    .join("\n")
    .toLowerCase();
}

function taskOf(instructions: string, criticIsAsked: boolean): Task {
  if (criticIsAsked) return "critique";
  if (/\brevis(?:e|ing|ion of)\b|\brewrite\b|revised (?:draft|text|version)/.test(instructions))
    return "revise";
  if (/executive summary|summari[sz]e|\bsummary of\b|write (?:a|the) summary/.test(instructions))
    return "summarise";
  return "write";
}

const THEMES: readonly [Theme, RegExp][] = [
  ["licences", /licen[cs]e|licen[cs]ing/g],
  ["upgrades", /upgrade|update plan|migration/g],
  ["risk", /supply[- ]chain|security|install scripts?|deprecated|\brisks?\b/g],
  ["inventory", /inventory|dependenc(?:y|ies)|packages?/g],
];

/** Only a prompt about software packages has a theme; the one that is named most often wins. */
function themeOf(instructions: string): Theme {
  if (!/dependenc|packages?\b|lockfile|package-lock/.test(instructions)) return "general";
  // The section's own title says it best, where the prompt gives one.
  const title = /^section:\s*(.+)$/m.exec(instructions)?.[1] ?? "";
  const named = THEMES.find(([, words]) => title.search(words) >= 0);
  if (named !== undefined) return named[0];
  let best: { theme: Theme; score: number } = { theme: "inventory", score: 0 };
  for (const [theme, words] of THEMES) {
    // Packages are spoken of in every section, so the word decides only where no other does.
    const score = (instructions.match(words)?.length ?? 0) * (theme === "inventory" ? 0.34 : 1);
    if (score > best.score) best = { theme, score };
  }
  return best.theme;
}

const SUBJECT_PATTERNS = [
  /^(?:[-*]\s*)?(?:\*\*)?(?:topic|subject|project|product)(?:\*\*)?\s*:\s*(.{2,140})$/im,
  /"(?:topic|subject|project)"\s*:\s*"([^"\n]{2,140})"/i,
  /<(?:topic|subject)>\s*([^<\n]{2,140})/i,
  /\b(?:report|article|essay|text|draft|paper|briefing|section|chapter|summary)\s+(?:on|about)\s+(?:the topic\s+)?["“«]?([^"”»\n.:;]{3,120})/i,
  /^(?:[-*]\s*)?(?:\*\*)?(?:section|chapter|title)(?:\*\*)?\s*:\s*(.{2,140})$/im,
  /^#{1,3}\s+(.{3,120})$/m,
  /"(?:name|title)"\s*:\s*"([^"\n]{2,140})"/i,
];

function subjectOf(prompt: string): string {
  for (const pattern of SUBJECT_PATTERNS) {
    const found = labelled(prompt, pattern);
    if (found !== null) return found;
  }
  return "the subject at hand";
}

function labelled(prompt: string, pattern: RegExp): string | null {
  const found = pattern.exec(prompt)?.[1];
  if (found === undefined) return null;
  const clean = plainText(found).replace(/[\s.,;:"”»]+$/, "");
  return clean.length < 2 ? null : clean;
}

function wordsOf(prompt: string): number | null {
  const found =
    /(\d[\d,]{1,5})\s*(?:-|–|to)?\s*(\d[\d,]{1,5})?\s*words\b/i.exec(prompt) ??
    /\bwords\s*:\s*(\d[\d,]{1,5})/i.exec(prompt);
  if (found === null) return null;
  const numbers = [found[1], found[2]]
    .filter((text) => text !== undefined)
    .map((text) => Number(text.replaceAll(",", "")));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  return Number.isFinite(mean) && mean >= 10 ? Math.min(mean, 6_000) : null;
}

const USUAL_HEADING_LEVEL = 2;

function headingLevelOf(instructions: string): number {
  const found = /\bheadings?\b[^.\n]{0,40}\blevel (\d)|\blevel[- ](\d) headings?/.exec(instructions);
  const level = Number(found?.[1] ?? found?.[2] ?? USUAL_HEADING_LEVEL);
  return level >= 1 && level <= 6 ? level : USUAL_HEADING_LEVEL;
}

/** Labels that tell the writer what to do; they are no facts of the subject. */
const NOT_A_FACT =
  /^(?:topic|subject|project|section|chapter|title|audience|readers?|words?|length|format|tone|style|language|role|task|note|rules?|instructions?|example|draft|text|feedback|critique|score|summary|output|answer|strengths?|improvements?|json schema|schema|facts?|source|report|your task|prompt|version|https?|type|properties|required|description)$/i;

/** "Draw up the plan: which work first" has the shape of a fact, and is what the writer is to do. */
const REQUEST =
  /^(?:write|draw up|explain|describe|give|list|name|answer|use|say|state|sum up|summari[sz]e|review|plan|take|add|read|score|keep|open|close|make|be|do not|don't|return|respond|include|avoid|consider|you|figures|json)\b/i;

function factsOf(prompt: string): Fact[] {
  const facts = new Map<string, Fact>();
  function add(label: string, value: string): void {
    const fact = { label: humanLabel(label), value: plainText(value).replace(/[\s.;,]+$/, "") };
    if (facts.size >= MAX_FACTS || NOT_A_FACT.test(fact.label) || REQUEST.test(fact.label)) return;
    if (fact.label.length < 2 || fact.label.length > 70 || fact.value.length === 0 || fact.value.length > 180)
      return;
    const key = fact.label.toLowerCase();
    if (!facts.has(key)) facts.set(key, fact);
  }
  for (const value of jsonBlocks(prompt)) flatten(value, [], add);
  // A schema is not a fact, and a JSON block was read above.
  const prose = prompt
    .replaceAll(/```[\s\S]*?```/g, "\n")
    .replaceAll(/^\s*[{[][\s\S]*?^\s*[}\]]\s*$/gm, "\n");
  for (const line of prose.split("\n")) {
    const cells = /^\s*\|(.+)\|\s*$/
      .exec(line)?.[1]
      ?.split("|")
      .map((cell) => cell.trim());
    if (cells !== undefined) {
      const [label, ...values] = cells;
      if (values.length > 0 && !/^:?-+:?$/.test(label ?? "") && values.some((value) => /\d/.test(value)))
        add(label ?? "", values.filter((value) => value !== "").join(", "));
      continue;
    }
    const pair =
      /^\s*(?:[-*•]\s+|\d+[.)]\s+)?(?:\*\*)?([\p{L}][^:|{}"]{1,68}?)(?:\*\*)?\s*:\s*(?:\*\*)?\s*(\S.{0,178})$/u.exec(
        line,
      );
    if (pair !== null) add(pair[1] ?? "", pair[2] ?? "");
  }
  return [...facts.values()];
}

/** JSON objects and arrays that stand in fences or take whole lines, and one that is the rest of a message. */
function jsonBlocks(prompt: string): unknown[] {
  const found: unknown[] = [];
  const candidates = [
    ...prompt.matchAll(/```(?:json)?\s*([[{][\s\S]*?)```/g),
    ...prompt.matchAll(/^\s*([[{].*[\]}])\s*$/gm),
    ...prompt.matchAll(/^([[{]\s*\n[\s\S]*?\n[\]}])\s*$/gm),
  ];
  for (const [, text] of candidates) {
    try {
      const value: unknown = JSON.parse(text ?? "");
      if (!isSchema(value)) found.push(value);
    } catch {
      // Not JSON after all: an example, or something cut.
    }
  }
  return found;
}

function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && ("$schema" in value || "properties" in value);
}

function flatten(value: unknown, path: readonly string[], add: (label: string, value: string) => void): void {
  if (path.length > 3 || value === null || value === undefined) return;
  if (Array.isArray(value)) {
    const words = value.filter((item) => typeof item === "string" || typeof item === "number");
    if (words.length > 0) {
      const shown = words.slice(0, 5).join(", ");
      add(path.join(" "), words.length > 5 ? `${shown} and ${words.length - 5} more` : shown);
      return;
    }
    for (const item of value.slice(0, 8)) flattenRow(item, path, add);
    return;
  }
  if (typeof value === "object") {
    for (const [name, item] of Object.entries(value)) flatten(item, [...path, name], add);
    return;
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    add(path.join(" "), String(value));
}

/** A row of a table: its first word names it, the rest are its values. */
function flattenRow(
  row: unknown,
  path: readonly string[],
  add: (label: string, value: string) => void,
): void {
  if (typeof row !== "object" || row === null) return;
  const [first, ...rest] = Object.entries(row);
  if (first === undefined || typeof first[1] === "object") return;
  const values = rest
    .filter(([, value]) => typeof value === "string" || typeof value === "number")
    .map(([name, value]) => `${humanLabel(name).toLowerCase()} ${String(value)}`);
  if (values.length > 0) add(String(first[1]), values.join(", "));
  else if (path.length > 0) add(path.join(" "), String(first[1]));
}

/** `directDependencies` and `direct_dependencies` become "Direct dependencies"; a package name stays as it is. */
function humanLabel(label: string): string {
  const plain = plainText(label).replace(/[\s:]+$/, "");
  if (/[@/]/.test(plain)) return plain;
  const words = plain
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll("_", " ")
    .trim();
  const spaced = words === plain ? plain : words.toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function plainText(text: string): string {
  return text
    .replaceAll(/\[\[[^\]]*\]\]/g, "")
    .replaceAll(/[*`_]{1,3}(?=\S)|(?<=\S)[*`_]{1,3}/g, (mark) => (mark === "_" ? "_" : ""))
    .replaceAll(/\s+/g, " ")
    .trim();
}
