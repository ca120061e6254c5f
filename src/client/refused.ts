import type { FieldProblem } from "../domain/fleet-error.ts";

/** The fleet understood and said no. `code` is for programs, the message for people. */
export class Refused extends Error {
  readonly code: string;
  readonly fields: readonly FieldProblem[];
  /** The same may succeed later without anybody changing it. */
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    { fields = [], retryable = false }: { fields?: readonly FieldProblem[]; retryable?: boolean } = {},
  ) {
    super(message);
    this.name = "Refused";
    this.code = code;
    this.fields = fields;
    this.retryable = retryable;
  }
}
