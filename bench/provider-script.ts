/** What the bench tells its provider, and what it is told by it. */
export interface ProviderScript {
  latencyMs: number;
  /** `standard`: see FAULTS. */
  faults: "none" | "standard";
  /** The JSON of this section is never usable. */
  broken: string | null;
  /** For this long from now on, every request is answered with 503. */
  outageMs: number;
  /** No answer until the next script. */
  hang: boolean;
  /** One of a section's calls takes longer than the others. */
  slow: { call: string; ms: number } | null;
}

export interface ProviderTotals {
  requests: number;
  /** Requests while the outage lasted. */
  refusedByOutage: number;
  billedTokens: number;
  /** One usable answer a call, and what the provider spoilt beyond repair and billed. */
  leastTokens: number;
  /** Requests for a call that had a usable answer. */
  duplicates: number;
  /** The same words asked again after an answer that was billed. */
  blindRetries: number;
  /** Waiting for an answer now, and the most at one time. */
  open: number;
  mostOpen: number;
}

export type ProviderOrder =
  | { id: number; order: "script"; script: ProviderScript }
  | { id: number; order: "totals" };

export interface ProviderReply {
  id: number;
  totals: ProviderTotals;
  /** Call → how often it was asked. */
  asked: Record<string, number>;
}

/** How it behaves until it is told otherwise. */
export const CALM: ProviderScript = {
  latencyMs: 0,
  faults: "none",
  broken: null,
  outageMs: 0,
  hang: false,
  slow: null,
};
