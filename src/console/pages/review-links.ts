/** Where cases and groups are shown; their names come from report types and may hold anything a key may. */
export function caseLink(id: string): string {
  return `/console/review/${encodeURIComponent(id)}`;
}

export function groupLink(group: string): string {
  return `/console/groups/${encodeURIComponent(group)}`;
}

export function reportLink(id: string): string {
  return `/console/reports/${encodeURIComponent(id)}`;
}
