import { expect, test } from "vitest";
import { routeStateOf } from "../../../src/domain/route.ts";

const OPEN = { closed: null, closedUntil: null, troubleSince: null };

test("a route is what keeps it shut the longest: a person, then silence, then a wait that the provider named", () => {
  const now = 1_000;
  expect(routeStateOf(OPEN, now)).toBe("open");
  expect(routeStateOf({ ...OPEN, closedUntil: now + 1 }, now)).toBe("waiting");
  expect(routeStateOf({ ...OPEN, closedUntil: now }, now)).toBe("open");
  expect(routeStateOf({ ...OPEN, closedUntil: now, troubleSince: 1 }, now)).toBe("trouble");
  expect(routeStateOf({ closed: "no money", closedUntil: now + 1, troubleSince: 1 }, now)).toBe("closed");
});
