// Writing DICOM: Explicit VR Little Endian Part 10 files, texts in UTF-8 (ISO_IR 192).

export type Written = string | number | readonly (string | number)[] | Uint8Array | readonly Item[];
export interface Item {
  readonly [tag: string]: readonly [vr: string, value: Written];
}

const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"]);
const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";
export const IMPLEMENTATION = "2.25.263108430210870935219830817213412734201";

class Bytes {
  private readonly chunks: Uint8Array[] = [];
  length = 0;

  add(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  numbers(count: number, width: number, put: (view: DataView, offset: number, i: number) => void): void {
    const view = new DataView(new ArrayBuffer(count * width));
    for (let i = 0; i < count; i++) put(view, i * width, i);
    this.add(new Uint8Array(view.buffer));
  }

  joined(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}

const uint16 = (...values: number[]): Uint8Array => {
  const bytes = new Bytes();
  bytes.numbers(values.length, 2, (view, at, i) => view.setUint16(at, values[i]!, true));
  return bytes.joined();
};
const uint32 = (value: number): Uint8Array => {
  const bytes = new Bytes();
  bytes.numbers(1, 4, (view, at) => view.setUint32(at, value, true));
  return bytes.joined();
};

const list = (value: Written): readonly (string | number)[] =>
  (Array.isArray(value) ? value : [value]) as readonly (string | number)[];

function encodeValue(vr: string, value: Written): Uint8Array {
  if (value instanceof Uint8Array) return value.length % 2 ? Uint8Array.from([...value, 0]) : value;
  const bytes = new Bytes();
  switch (vr) {
    case "SQ":
      for (const item of value as readonly Item[]) {
        const content = encodeItem(item);
        bytes.add(uint16(0xfffe, 0xe000));
        bytes.add(uint32(content.length));
        bytes.add(content);
      }
      return bytes.joined();
    case "US":
      return uint16(...list(value).map(Number));
    case "SS": {
      const values = list(value).map(Number);
      bytes.numbers(values.length, 2, (view, at, i) => view.setInt16(at, values[i]!, true));
      return bytes.joined();
    }
    case "SL": {
      const values = list(value).map(Number);
      bytes.numbers(values.length, 4, (view, at, i) => view.setInt32(at, values[i]!, true));
      return bytes.joined();
    }
    case "UL":
      for (const v of list(value)) bytes.add(uint32(Number(v)));
      return bytes.joined();
    case "FL": {
      const values = list(value).map(Number);
      bytes.numbers(values.length, 4, (view, at, i) => view.setFloat32(at, values[i]!, true));
      return bytes.joined();
    }
    case "FD": {
      const values = list(value).map(Number);
      bytes.numbers(values.length, 8, (view, at, i) => view.setFloat64(at, values[i]!, true));
      return bytes.joined();
    }
    default: {
      const text = new TextEncoder().encode(list(value).join("\\"));
      if (text.length % 2 === 0) return text;
      return Uint8Array.from([...text, vr === "UI" ? 0 : 0x20]);
    }
  }
}

function encodeItem(item: Item): Uint8Array {
  const bytes = new Bytes();
  for (const tag of Object.keys(item).sort()) {
    const [vr, value] = item[tag]!;
    const content = encodeValue(vr, value);
    bytes.add(uint16(parseInt(tag.slice(0, 4), 16), parseInt(tag.slice(4), 16)));
    bytes.add(new TextEncoder().encode(vr));
    if (LONG.has(vr)) {
      bytes.add(uint16(0));
      bytes.add(uint32(content.length));
    } else {
      if (content.length > 0xffff) throw new Error(`(${tag}) ${vr} holds ${content.length} bytes, 65535 fit`);
      bytes.add(uint16(content.length));
    }
    bytes.add(content);
  }
  return bytes.joined();
}

/** The file of a data set, which must have SOP Class and SOP Instance UID. */
export function part10(dataset: Item): Uint8Array<ArrayBuffer> {
  const meta = encodeItem({
    "00020001": ["OB", Uint8Array.of(0, 1)],
    "00020002": ["UI", dataset["00080016"]![1] as string],
    "00020003": ["UI", dataset["00080018"]![1] as string],
    "00020010": ["UI", EXPLICIT_LITTLE_ENDIAN],
    "00020012": ["UI", IMPLEMENTATION],
    "00020013": ["SH", "DICOMWEB VIEWER"],
  });
  const bytes = new Bytes();
  bytes.add(new Uint8Array(128));
  bytes.add(new TextEncoder().encode("DICM"));
  bytes.add(encodeItem({ "00020000": ["UL", meta.length] }));
  bytes.add(meta);
  bytes.add(encodeItem({ ...dataset, "00080005": ["CS", "ISO_IR 192"] }));
  return bytes.joined();
}
