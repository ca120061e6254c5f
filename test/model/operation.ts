/**
 * An operation is told to the twin and sent to Redis; the two must answer the same, and agree afterwards.
 *
 * It is sent once, twice or three times, as after lost replies, and what it has done must be done once. Operations that
 * are `lasting` are sent again much later too, by whoever still has them in hand: what was carried out once is not carried
 * out again, whatever has happened since.
 */
import * as fc from "fast-check";
import type { Store } from "../../src/store/redis.ts";
import { disagreements } from "./agree.ts";
import { remember, type Twin } from "./twin.ts";

export interface Operation {
  /** What it is called in the tally, and how it is shown in a counterexample. */
  name: string;
  says: string;
  /** Does it to the twin. `done`: something was carried out. */
  twin(twin: Twin): { reply: string; done: boolean };
  send(store: Store): Promise<string>;
  /** What every repeat is answered, where that is another word. */
  again?: (reply: string) => string;
  lasting: boolean;
}

export interface Real {
  store: Store;
  /** What was carried out and may arrive again. */
  sent: Operation[];
  /** How often each operation was answered with which word, over all sequences. */
  seen: Map<string, number>;
}

type Command = fc.AsyncCommand<Twin, Real>;

/**
 * What one draw of random numbers does depends on what there is; null where it has no meaning yet. Most draws of what would
 * change nothing are passed over, so that sequences go far; the others see that it does change nothing.
 */
export function command<Draw>(
  draw: fc.Arbitrary<Draw>,
  choose: (draw: Draw, twin: Twin) => Operation | null,
): fc.Arbitrary<Command> {
  const times = fc.constantFrom(1, 1, 2, 3);
  return fc.tuple(draw, times, fc.nat({ max: 7 })).map(([drawn, sent, insists]) => {
    let said = "not begun";
    return {
      check: (twin) =>
        choose(drawn, twin) !== null && (insists === 0 || wouldDo(twin, (copy) => choose(drawn, copy))),
      async run(twin, real) {
        const operation = choose(drawn, twin);
        if (operation === null) return;
        said = `${operation.says}${sent > 1 ? `, ${sent} times` : ""}`;
        await carryOut(operation, sent, twin, real);
      },
      toString: () => said,
    };
  });
}

function wouldDo(twin: Readonly<Twin>, choose: (twin: Twin) => Operation | null): boolean {
  const copy = structuredClone(twin);
  return choose(copy)?.twin(copy).done === true;
}

async function carryOut(operation: Operation, times: number, twin: Twin, real: Real): Promise<void> {
  const { says } = operation;
  const { reply, done } = operation.twin(twin);
  remember(twin);
  const tally = `${operation.name} ${reply.split(" ")[0]}`.trim();
  real.seen.set(tally, (real.seen.get(tally) ?? 0) + 1);
  const answers = await Promise.all(Array.from({ length: times }, () => operation.send(real.store)));
  for (const [nth, answer] of answers.entries()) {
    const expected = nth === 0 ? reply : (operation.again?.(reply) ?? reply);
    if (answer !== expected)
      throw new Error(
        `${says}, sent for the ${nth + 1}. time: Redis answered ${answer}, the twin ${expected}.`,
      );
  }
  await mustAgree(says, twin, real);
  if (done && operation.lasting) real.sent.push(operation);
}

/** For what every sequence begins with. */
export async function prepare(operation: Operation, twin: Twin, real: Real): Promise<void> {
  operation.twin(twin);
  remember(twin);
  await operation.send(real.store);
}

/** Something that was carried out arrives once more. */
export function lateRepeat(): fc.Arbitrary<Command> {
  return fc.nat({ max: 30 }).map((nth) => {
    let said = "not begun";
    return {
      check: () => true,
      async run(twin, real) {
        const operation = real.sent[real.sent.length - 1 - (nth % Math.max(1, real.sent.length))];
        if (operation === undefined) return;
        said = `late once more: ${operation.says}`;
        await operation.send(real.store);
        await mustAgree(said, twin, real);
      },
      toString: () => said,
    };
  });
}

async function mustAgree(after: string, twin: Twin, real: Real): Promise<void> {
  const problems = await disagreements(twin, real.store);
  if (problems.length > 0) throw new Error([`After ${after}:`, ...problems].join("\n  "));
}
