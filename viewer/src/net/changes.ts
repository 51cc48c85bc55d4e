// The metadata of a series as the opening has them (web/opening.py of the server): of each instance
// what is other than in the one before.

import { text, type Dataset, type Element } from "../dicom/json";
import { Tag } from "../dicom/tags";

/** What a data set has other than the one before; null: it has none. BulkDataURI is relative to the instance. */
export type Change = Readonly<Record<string, Element | null>>;

/** Data sets of what changes from each to the next; `instances` is where these are, with a slash at its end. */
export function together(changes: readonly Change[], instances: string): Dataset[] {
  let before: Record<string, Element> = {}; // as they came
  const referring = new Set<string>();
  return changes.map((change) => {
    before = { ...before };
    for (const tag in change) {
      const element = change[tag];
      if (element) before[tag] = element;
      else delete before[tag];
      if (element && located(element, "") !== element) referring.add(tag);
      else referring.delete(tag);
    }
    if (referring.size === 0) return before;
    const at = `${instances}${text(before, Tag.SOPInstanceUID) ?? ""}/`;
    const placed = { ...before };
    for (const tag of referring) placed[tag] = located(before[tag]!, at);
    return placed;
  });
}

function locatedIn(dataset: Dataset, at: string): Dataset {
  let out = dataset;
  for (const tag in dataset) {
    const element = located(dataset[tag]!, at);
    if (element !== dataset[tag]) out = { ...out, [tag]: element };
  }
  return out;
}

/** The element with its references made absolute; itself when it has none. */
function located(element: Element, at: string): Element {
  const { BulkDataURI, vr, Value } = element;
  if (BulkDataURI !== undefined) return { ...element, BulkDataURI: at + BulkDataURI };
  if (vr !== "SQ" || !Value) return element;
  const items = Value.map((each) => (each ? locatedIn(each as Dataset, at) : each));
  return items.some((each, i) => each !== Value[i]) ? { ...element, Value: items } : element;
}
