/** A rule states one principle. Rules are asked in order, and the first that fits decides. */
import type { FailureCode } from "./failure-codes.ts";
import type { Reading } from "./reading.ts";
import type { Layer } from "./unwrap.ts";

export interface Judgement {
  rule: string;
  code: FailureCode;
  /** Only where it differs from the kind's own: transient and contract may be tried again, the others not. */
  retryable?: boolean;
  /** The layer that decided; its words are shown to a person where they are harmless. */
  layer?: Layer;
}

export interface Rule {
  name: string;
  code: FailureCode;
  retryable?: boolean;
  when(reading: Reading): boolean;
}

/** Asked of one layer, so that the innermost one that says anything specific decides. */
export interface LayerRule extends Omit<Rule, "when"> {
  when(layer: Layer, reading: Reading): boolean;
}

export function firstRule(rules: readonly Rule[], reading: Reading): Judgement | null {
  for (const rule of rules) if (rule.when(reading)) return judged(rule);
  return null;
}

export function firstLayerRule(rules: readonly LayerRule[], reading: Reading): Judgement | null {
  for (const layer of reading.layers)
    for (const rule of rules) if (rule.when(layer, reading)) return { ...judged(rule), layer };
  return null;
}

function judged(rule: Omit<Rule, "when">): Judgement {
  const { name, code, retryable } = rule;
  return retryable === undefined ? { rule: name, code } : { rule: name, code, retryable };
}
