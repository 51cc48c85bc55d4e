// DICOM JSON and Part 10 files built by the line.

import type { Dataset } from "../src/dicom/json";
import { newUid } from "../src/dicom/uid";
import type { Item } from "../src/dicom/write";

export interface Wanted {
  study?: string;
  series?: string;
  instance?: string;
  rows?: number;
  columns?: number;
  values?: ArrayBufferView;
  extra?: Item;
  number?: number;
}

/** A CT image, 16 bits signed, 0.5 mm pixels, unless `extra` says otherwise. */
export function image(wanted: Wanted = {}): Item {
  const { rows = 64, columns = 64 } = wanted;
  const values = wanted.values ?? new Int16Array(rows * columns);
  return {
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.2"],
    "00080018": ["UI", wanted.instance ?? newUid()],
    "00080020": ["DA", "20240102"],
    "00080030": ["TM", "101500"],
    "00080050": ["SH", "A-1"],
    "00080060": ["CS", "CT"],
    "00080080": ["LO", "测试医院"],
    "0008103E": ["LO", "Phantom"],
    "00100010": ["PN", "Wang^XiaoDong=王^小东"],
    "00100020": ["LO", "P-1"],
    "00100030": ["DA", "19800203"],
    "00100040": ["CS", "M"],
    "0020000D": ["UI", wanted.study ?? newUid()],
    "0020000E": ["UI", wanted.series ?? newUid()],
    "00200011": ["IS", 1],
    "00200013": ["IS", wanted.number ?? 1],
    "00200032": ["DS", ["0", "0", "0"]],
    "00200037": ["DS", ["1", "0", "0", "0", "1", "0"]],
    "00200052": ["UI", "1.2.3.4"],
    "00280002": ["US", 1],
    "00280004": ["CS", "MONOCHROME2"],
    "00280010": ["US", rows],
    "00280011": ["US", columns],
    "00280030": ["DS", ["0.5", "0.5"]],
    "00280100": ["US", 16],
    "00280101": ["US", 16],
    "00280102": ["US", 15],
    "00280103": ["US", 1],
    "00281050": ["DS", "0"],
    "00281051": ["DS", "200"],
    "00281052": ["DS", "0"],
    "00281053": ["DS", "1"],
    ...wanted.extra,
    // Float and double float pixels come written out, in `extra`.
    ...(wanted.extra?.["7FE00008"] ?? wanted.extra?.["7FE00009"] ? {} : { "7FE00010": ["OW", bytesOf(values)] }),
  };
}

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** As the server's metadata has it: numbers as numbers, names as groups, no pixels. */
export function json(item: Item): Dataset {
  const out: Record<string, { vr: string; Value?: unknown[] }> = {};
  for (const [tag, [vr, value]] of Object.entries(item)) {
    if (value instanceof Uint8Array) continue;
    const list = Array.isArray(value) ? value : [value];
    out[tag] = {
      vr,
      Value: list.map((v: unknown) =>
        vr === "SQ" ? json(v as Item) : vr === "DS" || vr === "IS" ? Number(v) : vr === "PN" ? groups(String(v)) : v,
      ),
    };
  }
  return out;
}

function groups(name: string): Record<string, string> {
  const [Alphabetic = "", Ideographic] = name.split("=");
  return Ideographic ? { Alphabetic, Ideographic } : { Alphabetic };
}
