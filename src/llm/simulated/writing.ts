/**
 * Markdown from what was read in the prompt. A draft, its revision and its summary share their choice of words, because
 * that choice depends on the subject and not on the request; so a revision visibly is the same text, improved.
 */
import { seededRandom, shuffled } from "./random.ts";
import {
  ADDED_BY_REVISION,
  CLOSINGS,
  CLOSINGS_ABOUT_PACKAGES,
  OPENINGS,
  PARTS,
  RECOMMENDATIONS,
  REVISED_OPENINGS,
  type Part,
} from "./phrases.ts";
import type { Fact, Reading } from "./reading.ts";

const USUAL_WORDS = 450;
const USUAL_SUMMARY_WORDS = 140;
const FACTS_PER_PART = 4;
const FACTS_IN_SUMMARY = 5;

export interface Assignment {
  reading: Reading;
  seed: number;
  /** What the output limit leaves room for. */
  maxWords: number;
}

export function writeText(assignment: Assignment): string {
  switch (assignment.reading.task) {
    case "summarise":
      return writeSummary(assignment);
    case "revise":
      return writeRevision(assignment);
    case "write":
    case "critique":
      return writeDraft(assignment);
  }
}

function writeDraft({ reading, seed, maxWords }: Assignment): string {
  const random = seededRandom(`${seed}/${reading.theme}/${reading.subject}`);
  const target = Math.min(reading.words ?? USUAL_WORDS, maxWords);
  const facts = [...reading.facts];
  const blocks: string[] = [];
  if (reading.theme === "general") {
    const audience = reading.audience === null ? "" : ` It is written for ${asReaders(reading.audience)}.`;
    blocks.push(sentence(pick(OPENINGS, random), reading.subject) + audience);
  }
  const closing = sentence(pick(closingsOf(reading), random), reading.subject);
  let words = wordCount(blocks.join(" ")) + wordCount(closing);
  for (const [index, part] of PARTS[reading.theme].entries()) {
    const room = target - words;
    if (index > 0 && room < 40) break;
    const block = writePart(part, facts.splice(0, FACTS_PER_PART), reading, room);
    blocks.push(block);
    words += wordCount(block);
  }
  return [...blocks, closing].join("\n\n");
}

/** A revised text opens with its conclusion and has one part more than the draft it came from. */
function writeRevision({ reading, seed, maxWords }: Assignment): string {
  const added = ADDED_BY_REVISION[Math.min(reading.revisions, ADDED_BY_REVISION.length - 1)];
  const addition = added === undefined ? "" : writePart(added, [], reading, Infinity);
  const random = seededRandom(`${seed}/${reading.theme}/${reading.subject}/revision`);
  const opening = sentence(pick(REVISED_OPENINGS, random), reading.subject);
  const room = Math.max(60, maxWords - wordCount(addition) - wordCount(opening));
  const previous =
    reading.draft ?? writeDraft({ reading: { ...reading, task: "write" }, seed, maxWords: room });
  const blocks = withinWords(previous, room).split(/\n{2,}/);
  if (reading.revisions === 0) {
    const first = blocks[0] ?? "";
    if (first.startsWith("#")) blocks.unshift(opening);
    else blocks[0] = `${opening} ${first}`;
  }
  // Before the closing paragraph, so that the text still ends as a text does.
  if (!previous.includes(`## ${added?.heading ?? ""}`))
    blocks.splice(Math.max(1, blocks.length - 1), 0, addition);
  return blocks.join("\n\n");
}

function writeSummary({ reading, seed, maxWords }: Assignment): string {
  const random = seededRandom(`${seed}/${reading.theme}/${reading.subject}/summary`);
  const about = reading.theme === "general" ? "general" : "packages";
  const target = Math.min(reading.words ?? USUAL_SUMMARY_WORDS, maxWords);
  const blocks: string[] = [];
  const gist = reading.draft === null ? [] : keySentences(reading.draft);
  if (gist.length > 0) blocks.push(gist.join(" "));
  else {
    const opening =
      about === "general"
        ? pick(REVISED_OPENINGS, random)
        : "The dependencies are in workable order; a small number of them deserves attention, and each has a clear next step.";
    blocks.push(sentence(opening, reading.subject));
  }
  const facts = reading.facts.slice(0, FACTS_IN_SUMMARY);
  if (facts.length > 0) blocks.push(`Key figures:\n\n${facts.map(factBullet).join("\n")}`);
  const steps = shuffled(RECOMMENDATIONS[about], random).slice(0, 3);
  const list = steps.map((step, index) => `${index + 1}. ${sentence(step, reading.subject)}`).join("\n");
  if (wordCount(blocks.join(" ")) + wordCount(list) <= target * 1.2)
    blocks.push(`Recommended next steps:\n\n${list}`);
  return blocks.join("\n\n");
}

/** A summary repeats the claims a text opens and closes with, and one from between. */
function keySentences(text: string): string[] {
  const paragraphs = text
    .split(/\n{2,}/)
    .filter((block) => !/^(?:#|[-*|>]|\d+\.)/.test(block))
    .map((block) => /^.{20,320}?[.!?](?=\s|$)/s.exec(block)?.[0].replaceAll(/\s+/g, " ") ?? "")
    .filter((found) => found !== "");
  const chosen = [paragraphs[0], paragraphs[Math.floor(paragraphs.length / 2)], paragraphs.at(-1)];
  return [...new Set(chosen.filter((found) => found !== undefined))];
}

function writePart(part: Part, facts: readonly Fact[], reading: Reading, room: number): string {
  const chosen: string[] = [];
  let words = 0;
  for (const text of part.sentences) {
    words += wordCount(text);
    if (chosen.length > 0 && words > room) break;
    chosen.push(sentence(text, reading.subject));
  }
  const figures = facts.length === 0 ? [] : [facts.map(factBullet).join("\n")];
  return [`${"#".repeat(reading.headingLevel)} ${part.heading}`, ...figures, chosen.join(" ")].join("\n\n");
}

function factBullet(fact: Fact): string {
  return `- **${fact.label}:** ${fact.value}`;
}

/** Puts the subject into a sentence, with a capital where it comes first and in quotation marks where it asks. */
export function sentence(text: string, subject: string): string {
  const asks = /\?$|^(?:how|why|what|when|where|who|which|should|can|will|is|are|do|does)\b/i.test(subject);
  const phrase = asks ? `the question “${subject}”` : withoutCapital(subject);
  const filled = text.replaceAll("{subject}", phrase);
  return filled.charAt(0).toUpperCase() + filled.slice(1);
}

/** "The future of work" is "the future of work" inside a sentence; of other words it is not known whether they are names. */
function withoutCapital(subject: string): string {
  const plain = /^(?:The|An?|Our|Its|Their|This|These|[A-Z][a-z]+ing)\s/.test(subject);
  return plain ? subject.charAt(0).toLowerCase() + subject.slice(1) : subject;
}

export function pick<T>(items: readonly T[], random: () => number): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError("There is nothing to pick from.");
  return item;
}

function asReaders(audience: string): string {
  return /^[A-Z][a-z]/.test(audience) ? audience.charAt(0).toLowerCase() + audience.slice(1) : audience;
}

function closingsOf(reading: Reading): readonly string[] {
  return reading.theme === "general" ? CLOSINGS : CLOSINGS_ABOUT_PACKAGES;
}

/** Whole blocks only: a text that stops in the middle of a sentence is a fault, and faults are scripted. */
function withinWords(text: string, maxWords: number): string {
  const kept: string[] = [];
  let words = 0;
  for (const block of text.split(/\n{2,}/)) {
    words += wordCount(block);
    if (kept.length > 0 && words > maxWords) break;
    kept.push(block);
  }
  while (kept.length > 1 && kept.at(-1)?.startsWith("#") === true) kept.pop();
  return kept.join("\n\n");
}

export function wordCount(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
