import type { FieldProblem } from "../domain/fleet-error.ts";

/** The fleet understood and said no. `code` is for programs, the message for people. */
export class Refused extends Error {
  readonly code: string;
  readonly fields: readonly FieldProblem[];

  constructor(code: string, message: string, fields: readonly FieldProblem[] = []) {
    super(message);
    this.name = "Refused";
    this.code = code;
    this.fields = fields;
  }
}
