// How many other studies each patient has: counted when a row shows it, few at a time.

import { signal, type Signal } from "@preact/signals";
import { text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { studiesOfPatient } from "../net/priors";

const LANES = 2;
const MOST = 100;

export interface Count {
  readonly others: number;
  readonly more: boolean; // than were counted
}

const counts = new Map<string, Signal<Count | undefined>>();
const waiting: { study: Dataset; count: Signal<Count | undefined> }[] = [];
let running = 0;

/** Other studies of a study's patient; undefined while it is not known, and when there is no Patient ID. */
export function priorsOf(study: Dataset): Count | undefined {
  const patient = text(study, Tag.PatientID);
  if (patient === undefined) return undefined;
  const key = JSON.stringify([patient, text(study, Tag.IssuerOfPatientID)]);
  let count = counts.get(key);
  if (!count) {
    counts.set(key, (count = signal(undefined)));
    // In a search these stand for other characters, and the studies found would be of other patients.
    if (!/[*?\\]/.test(patient)) waiting.push({ study, count });
    void lane();
  }
  return count.value;
}

/** After studies came or went. */
export function forgetPriors(): void {
  counts.clear();
}

async function lane(): Promise<void> {
  if (running >= LANES) return;
  running++;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const found = await studiesOfPatient(next.study, MOST).catch(() => undefined);
    if (found) next.count.value = { others: Math.max(found.rows.length - 1, 0), more: found.more };
  }
  running--;
}
