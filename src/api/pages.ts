/** Pages of a list: `limit` and an opaque cursor in, `{data, next_cursor}` out. */
import { z } from "zod";
import { Problem } from "./problems.ts";

const MOST_ROWS = 200;

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(MOST_ROWS).default(50),
  cursor: z.string().max(200).optional(),
};

export function pageOf<Row extends z.ZodType>(row: Row) {
  return z.object({ data: z.array(row), next_cursor: z.string().nullable() });
}

/** A cursor holds a place in the list; nobody but us looks into it. */
export function cursorOf(place: string | number): string {
  return Buffer.from(String(place)).toString("base64url");
}

export function placeIn(cursor: string | undefined, shape: RegExp): string | null {
  if (cursor === undefined) return null;
  const place = Buffer.from(cursor, "base64url").toString("utf8");
  if (shape.test(place)) return place;
  throw new Problem("invalid_request", "This cursor is not one of this list; take it from next_cursor.");
}

/** For lists that are read by offset; `rows` were read with one more than `limit`. */
export function offsetPage<Row>(rows: Row[], limit: number, offset: number) {
  return { data: rows.slice(0, limit), next_cursor: rows.length > limit ? cursorOf(offset + limit) : null };
}
