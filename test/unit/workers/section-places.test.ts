import { expect, test } from "vitest";
import { WEIGHT_OF } from "../../../src/domain/fairness.ts";
import { SectionPlaces, type Fetcher } from "../../../src/workers/section-places.ts";

// A worker looks by itself; the tests ask again only to wait for it.
const FIRST = WEIGHT_OF.normal;
const LATER = 100 * WEIGHT_OF.normal;

/** A BullMQ worker as far as places go: whether it fetches, and how many jobs it may have. */
class FakeFetcher implements Fetcher {
  concurrency = 0;
  #paused = false;

  isPaused(): boolean {
    return this.#paused;
  }

  async pause(): Promise<void> {
    this.#paused = true;
  }

  async resume(): Promise<void> {
    this.#paused = false;
  }

  get mayHave(): number {
    return this.#paused ? 0 : this.concurrency;
  }
}

function placesOf(concurrency: number, types: readonly string[]) {
  const state = { held: false, waiting: 0, looks: 0 };
  const places = new SectionPlaces(concurrency, {
    mayFetch: () => !state.held,
    countFirst: async () => {
      state.looks += 1;
      return state.waiting;
    },
  });
  const fetchers = types.map((type) => {
    const fetcher = new FakeFetcher();
    places.serve(type, fetcher);
    return fetcher;
  });
  return { places, state, fetchers };
}

function fill(places: SectionPlaces, type: string, number: number): void {
  for (let nth = 0; nth < number; nth++) expect(places.take(type, LATER)).toBe(true);
}

test("a process with places free never looks who is first in line", async () => {
  const { places, state, fetchers } = placesOf(10, ["topic"]);
  state.waiting = 3;
  fill(places, "topic", 9);
  expect(places.lendable).toBe(false);
  await places.look("topic");
  expect(state.looks).toBe(0);
  expect(fetchers[0]?.mayHave).toBe(10);
});

test("a full one fetches one more for each that is first in line, up to a tenth of its places", async () => {
  const { places, state, fetchers } = placesOf(20, ["topic"]);
  fill(places, "topic", 20);
  expect(places.lendable).toBe(true);
  state.waiting = 1;
  await places.look("topic");
  expect(fetchers[0]?.mayHave).toBe(21);
  expect(places.take("topic", FIRST)).toBe(true);
  expect(fetchers[0]?.mayHave).toBe(20);

  state.waiting = 50;
  await places.look("topic");
  expect(fetchers[0]?.mayHave).toBe(22);
  expect(places.take("topic", FIRST)).toBe(true);
  expect(places.lendable).toBe(false);
  expect(places.take("topic", FIRST)).toBe(false);
});

test("a place that is lent goes to nobody who is not first in line, and is paid back before anybody else begins", async () => {
  const { places, state, fetchers } = placesOf(20, ["topic"]);
  fill(places, "topic", 20);
  state.waiting = 1;
  await places.look("topic");
  // Somebody else was quicker, so a later one was fetched.
  expect(places.take("topic", LATER)).toBe(false);
  expect(fetchers[0]?.mayHave).toBe(20);

  await places.look("topic");
  expect(places.take("topic", FIRST)).toBe(true);
  places.giveBack("topic");
  expect(places.take("topic", LATER)).toBe(false);
  places.giveBack("topic");
  expect(places.take("topic", LATER)).toBe(true);
});

test("where more are first in line than it could lend to, each place that comes free is for one of them", async () => {
  const { places, state, fetchers } = placesOf(10, ["topic"]);
  fill(places, "topic", 10);
  state.waiting = 5;
  await places.look("topic");
  expect(places.take("topic", FIRST)).toBe(true);
  await places.look("topic");
  // Whichever ends, its worker fetches the next in the same script.
  expect(fetchers[0]?.mayHave).toBe(11);
  places.giveBack("topic");
  expect(places.take("topic", FIRST)).toBe(true);
  // None is left.
  state.waiting = 0;
  places.giveBack("topic");
  places.foundNothing("topic");
  expect(fetchers[0]?.mayHave).toBe(10);
});

test("whoever a place was lent for is looked after still where fewer places came free than were lent", async () => {
  const { places, state, fetchers } = placesOf(20, ["topic"]);
  fill(places, "topic", 20);
  state.waiting = 2;
  await places.look("topic");
  places.giveBack("topic");
  expect(fetchers[0]?.mayHave).toBe(20);
  state.waiting = 1;
  expect(places.take("topic", FIRST)).toBe(true);
  await places.look("topic");
  expect(fetchers[0]?.mayHave).toBe(21);
});

test("with several report types, only the one whose first report waits is fetched from while the process is full", async () => {
  const { places, state, fetchers } = placesOf(10, ["topic", "audit"]);
  const [topic, audit] = fetchers;
  fill(places, "topic", 10);
  expect([topic?.mayHave, audit?.mayHave]).toEqual([0, 0]);
  state.waiting = 2;
  await places.look("audit");
  expect([topic?.mayHave, audit?.mayHave]).toEqual([0, 1]);
  expect(places.take("audit", FIRST)).toBe(true);
  await places.look("audit");
  expect([topic?.mayHave, audit?.mayHave]).toEqual([0, 1]);

  // One of the other type ends: its place is for the second that waits.
  state.waiting = 1;
  places.giveBack("topic");
  await places.look("audit");
  expect([topic?.mayHave, audit?.mayHave]).toEqual([0, 2]);
  expect(places.take("audit", FIRST)).toBe(true);
  expect([topic?.mayHave, audit?.mayHave]).toEqual([0, 0]);

  places.giveBack("audit");
  places.giveBack("audit");
  expect([topic?.mayHave, audit?.mayHave]).toEqual([10, 10]);
});

test("a process that may take no section lends no place either", async () => {
  const { places, state, fetchers } = placesOf(10, ["topic"]);
  fill(places, "topic", 10);
  state.waiting = 1;
  state.held = true;
  places.refresh();
  expect(places.lendable).toBe(false);
  await places.look("topic");
  expect(fetchers[0]?.mayHave).toBe(0);
  expect(places.take("topic", FIRST)).toBe(false);

  state.held = false;
  const lendable = places.untilLendable();
  places.refresh();
  await lendable;
  expect(fetchers[0]?.mayHave).toBe(10);
});
