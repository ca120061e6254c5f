/**
 * The live picture of reports being written: a bar a report, a bar a section, and what each has cost so far.
 *
 *     topic-report  rp-01k…   ━━━━━━━━━━━━──   80 %    $0.0041
 *       Report · revise-1     ━━━━━━━━━━━━━━           $0.0035
 *       Executive summary     ───━━━────────           $0.0006
 *
 * A section has no share of itself that could be measured, so while it is written its bar only moves. Lines are made by
 * a pure function; the board is what repeats it on a terminal, in place.
 */
import { totalSpend } from "../domain/failure.ts";
import { formatUsd, formatWait, type ReportId } from "../domain/ids.ts";
import { isFinished, progressPercent, type Section } from "../domain/report.ts";
import type { ReportEvent } from "../store/follow-reports.ts";
import type { Colour, Output } from "./output.ts";
import { fitted } from "./printable.ts";
import type { Snapshot } from "../producer/report-view.ts";
import type { Audience } from "./watch-reports.ts";

const BAR_WIDTH = 14;
const MOVING_WIDTH = 4;
/** Percent, cost, and the gaps between the columns. */
const FIXED_WIDTH = BAR_WIDTH + 5 + 9 + 4;
const WIDEST = 96;
export const NARROWEST = 60;
const FRAME_MS = 150;
/** With more reports than this, sections are left out. */
const MOST_WITH_SECTIONS = 4;

interface SectionCost {
  micros: number;
  call: string;
}

/** What the board remembers between two frames. */
export interface Scene {
  snapshots: Map<ReportId, Snapshot>;
  /** By report and section. */
  costs: Map<string, SectionCost>;
}

export function emptyScene(): Scene {
  return { snapshots: new Map(), costs: new Map() };
}

export function takeIn(scene: Scene, { event }: ReportEvent): void {
  if (event.event !== "call.begun" && event.event !== "call.answered") return;
  const key = `${event.report}/${event.section}`;
  const cost = scene.costs.get(key) ?? { micros: 0, call: "" };
  const micros = event.event === "call.answered" ? event.micros : 0;
  scene.costs.set(key, { micros: cost.micros + micros, call: event.call });
}

export interface Frame {
  width: number;
  height: number;
  /** Counts up, so that running bars move. */
  beat: number;
  paint: (colour: Colour, text: string) => string;
}

export function boardLines(scene: Scene, frame: Frame): string[] {
  const snapshots = [...scene.snapshots.values()];
  const detailed = snapshots.length <= MOST_WITH_SECTIONS;
  const blocks = snapshots.map((snapshot) => ({
    open: !isFinished(snapshot.stored.report.status),
    lines: [
      reportLine(snapshot, frame),
      ...(detailed ? snapshot.sections.map((section) => sectionLine(scene, section, frame)) : []),
      ...(detailed ? waitLines(snapshot, frame) : []),
    ],
  }));
  const room = Math.max(3, frame.height - 2);
  const all = blocks.flatMap(({ lines }) => lines);
  if (all.length <= room) return all;
  // Those that still move are what one looks for; a report's own line is worth more than its sections.
  const order = [...blocks.filter(({ open }) => open), ...blocks.filter(({ open }) => !open)];
  const shown = order.slice(0, room - 1).map(({ lines }) => lines[0] ?? "");
  const rest = blocks.length - shown.length;
  return rest > 0 ? [...shown, frame.paint("dim", `  … and ${rest} more`)] : shown;
}

function reportLine(snapshot: Snapshot, frame: Frame): string {
  const { report } = snapshot.stored;
  const percent = progressPercent(report, snapshot.sections);
  const colour = REPORT_COLOUR[report.status];
  const label = `${report.type}  ${report.id}`;
  const done = Math.round((percent / 100) * BAR_WIDTH);
  const bar = frame.paint(colour, "━".repeat(done)) + frame.paint("dim", "─".repeat(BAR_WIDTH - done));
  const state = percent === 100 ? "done" : `${percent} %`;
  return columns(
    frame.paint("bold", fitted(label, labelWidth(frame))),
    bar,
    frame.paint(colour, state.padStart(5)),
    formatUsd(totalSpend(report.spend)),
  );
}

function sectionLine(scene: Scene, section: Section, frame: Frame): string {
  const cost = scene.costs.get(`${section.report}/${section.key}`);
  const call = section.status === "running" && cost !== undefined ? ` · ${cost.call}` : "";
  return columns(
    fitted(`  ${section.title}${call}`, labelWidth(frame)),
    sectionBar(section, frame),
    frame.paint("dim", MARK[section.status].padStart(5)),
    cost === undefined ? "" : formatUsd(cost.micros),
    frame,
  );
}

const REPORT_COLOUR = {
  pending: "dim",
  running: "cyan",
  waiting_for_retry: "yellow",
  needs_review: "yellow",
  completed: "green",
  failed: "red",
  cancelled: "red",
} as const satisfies Record<Snapshot["stored"]["report"]["status"], Colour>;

const MARK = {
  pending: "",
  running: "",
  waiting_for_retry: "waits",
  completed: "done",
  needs_review: "check",
  failed: "fails",
  skipped: "skip",
} as const satisfies Record<Section["status"], string>;

function sectionBar(section: Section, { beat, paint }: Frame): string {
  switch (section.status) {
    case "completed":
      return paint("green", "━".repeat(BAR_WIDTH));
    case "needs_review":
    case "failed":
      return paint("red", "━".repeat(BAR_WIDTH));
    case "running":
      return moving(beat, paint);
    case "waiting_for_retry":
      return paint("yellow", "╌".repeat(BAR_WIDTH));
    case "pending":
    case "skipped":
      return paint("dim", "─".repeat(BAR_WIDTH));
  }
}

function moving(beat: number, paint: Frame["paint"]): string {
  const way = BAR_WIDTH - MOVING_WIDTH;
  const at = way - Math.abs((beat % (2 * way)) - way);
  const [before, after] = ["─".repeat(at), "─".repeat(way - at)];
  return paint("dim", before) + paint("cyan", "━".repeat(MOVING_WIDTH)) + paint("dim", after);
}

function waitLines({ sections, now }: Snapshot, frame: Frame): string[] {
  return sections
    .filter((section) => section.status === "waiting_for_retry" || section.status === "needs_review")
    .map((section) => {
      const text =
        section.status === "waiting_for_retry"
          ? `${section.title}: again in ${formatWait(Math.max(0, section.retryAt - now))}, ${section.because}`
          : section.status === "needs_review"
            ? `${section.title}: ${section.failure.message}`
            : "";
      return frame.paint("yellow", `  ${fitted(text, frameWidth(frame) - 2).trimEnd()}`);
    });
}

function columns(label: string, bar: string, state: string, cost: string, frame?: Frame): string {
  const money = cost.padStart(9);
  return `${label}  ${bar}${state} ${frame === undefined ? money : frame.paint("dim", money)}`;
}

function frameWidth({ width }: Frame): number {
  return Math.min(WIDEST, Math.max(NARROWEST, width));
}

function labelWidth(frame: Frame): number {
  return frameWidth(frame) - FIXED_WIDTH;
}

/** Draws the scene on a terminal again and again, in place, and leaves the last frame standing. */
export class ProgressBoard implements Audience {
  readonly #scene = emptyScene();
  readonly #terminal: NodeJS.WriteStream;
  readonly #output: Output;
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;
  #beat = 0;
  #closed = false;

  constructor(output: Output, terminal: NodeJS.WriteStream = process.stderr) {
    this.#output = output;
    this.#terminal = terminal;
    terminal.write("\u001B[?25l");
    this.#timer = setInterval(() => {
      this.#beat += 1;
      this.#draw();
    }, FRAME_MS);
    this.#timer.unref();
  }

  events(events: readonly ReportEvent[]): void {
    for (const event of events) takeIn(this.#scene, event);
  }

  snapshot(snapshot: Snapshot): void {
    this.#scene.snapshots.set(snapshot.stored.report.id, snapshot);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#draw();
    this.#terminal.write("\u001B[?25h");
  }

  #draw(): void {
    const { columns: width, rows: height } = this.#terminal;
    const paint = (colour: Colour, text: string): string => this.#output.paint(colour, text);
    const lines = boardLines(this.#scene, { width, height, beat: this.#beat, paint });
    // One write a frame: a terminal that draws in between would flicker.
    const up = this.#drawn > 0 ? `\u001B[${this.#drawn}A\r` : "";
    const text = lines.map((line) => `${line}\u001B[K\n`).join("");
    this.#terminal.write(`${up}${text}\u001B[J`);
    this.#drawn = lines.length;
  }
}
