// How many other studies each patient has: counted when a row shows it, few at a time.

import { signal, type Signal } from "@preact/signals";
import { search } from "../net/dicomweb";

const LANES = 2;
const counts = new Map<string, Signal<number | undefined>>();
const waiting: string[] = [];
let running = 0;

/** Other studies of a patient; undefined while it is not known. */
export function priorsOf(patientId: string): Signal<number | undefined> {
  let count = counts.get(patientId);
  if (!count) {
    counts.set(patientId, (count = signal(undefined)));
    // In a search these stand for other characters, and the count would be of other patients.
    if (!/[*?\\]/.test(patientId)) waiting.push(patientId);
    void lane();
  }
  return count;
}

/** After studies came or went. */
export function forgetPriors(): void {
  counts.clear();
}

async function lane(): Promise<void> {
  if (running >= LANES) return;
  running++;
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    const found = await search("/studies", [["PatientID", id], ["limit", "1"], ["count", "true"]]).catch(() => undefined);
    const count = counts.get(id);
    if (found && count) count.value = (found.total ?? found.rows.length) - 1;
  }
  running--;
}
