import type { ExitCode } from "./exit-codes.ts";
import type { Output } from "./output.ts";

/** What a command gets from the command line as a whole. */
export interface Terminal {
  output: Output;
  /** Sets the exit code of a command that ended without throwing. */
  finish: (code: ExitCode) => void;
}
