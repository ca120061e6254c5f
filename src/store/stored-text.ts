/** Which fields of a report's calls hold a packed text: an answer under its take, or the result of a step. */
export const TAKE_FIELD = /^(.+)#(\d+)$/;
export const STEP_FIELD = /^[^/]+\/step-[^/]+\/[0-9a-f]+$/;

export function isStoredText(field: string): boolean {
  return TAKE_FIELD.test(field) || STEP_FIELD.test(field);
}
