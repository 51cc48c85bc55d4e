// What the user may do, asked once a page of `GET /api/v1/session`:
//
//   {"may": ["store", "edit", "delete", "export"]}
//
// A server without accounts has no such resource (404): everything is allowed. Pages hide what may
// not be done; the server is who forbids it.

import { signal } from "@preact/signals";

/** store: uploads, reports, key images; edit: corrections; export: files, pictures, print. */
export type Right = "store" | "edit" | "delete" | "export";

const EVERYTHING: readonly Right[] = ["store", "edit", "delete", "export"];
const rights = signal<ReadonlySet<Right>>(new Set());

export const may = (right: Right): boolean => rights.value.has(right);

/** Until the answer has come nothing is allowed, and nothing when it does not come. */
export async function askRights(): Promise<void> {
  const response = await fetch(new URL("api/v1/session", document.baseURI), { headers: { Accept: "application/json" } });
  if (response.status === 404) rights.value = new Set(EVERYTHING);
  else if (response.ok) rights.value = new Set(((await response.json()) as { may?: Right[] }).may ?? []);
}
