/** Where things are shown. Ids may hold anything a key may, so all of them are encoded here. */
export function reportLink(id: string, tab = ""): string {
  return `/console/reports/${encodeURIComponent(id)}${tab === "" ? "" : `/${tab}`}`;
}

export function caseLink(id: string): string {
  return `/console/review/${encodeURIComponent(id)}`;
}

export function groupLink(group: string): string {
  return `/console/groups/${encodeURIComponent(group)}`;
}
