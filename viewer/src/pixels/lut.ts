// Look-up tables of DICOM: descriptor and data (PS3.3 §C.11.1.1.1, §C.7.6.3.1.5).

/** No table has it: what padding is where a Modality LUT has been applied. */
export const PADDED = -1;

export interface Lut {
  readonly first: number; // the input value that maps to entry 0
  readonly entries: Uint16Array;
  readonly bits: number; // of each entry
  readonly explanation?: string;
}

/**
 * `data` may come as numbers (DICOM JSON Value of VR US/SS) or as bytes, where 8-bit entries are
 * one byte each or, as PS3.3 §C.7.6.3.1.6 has it, padded to 16 bits.
 */
export function lutFrom(
  descriptor: readonly number[],
  data: readonly number[] | Uint8Array,
  signedInput: boolean,
  explanation?: string,
): Lut | undefined {
  if (descriptor.length < 3) return undefined;
  const count = descriptor[0]! & 0xffff || 65536;
  const rawFirst = descriptor[1]!;
  // The descriptor's second value has the sign of the pixels, whatever VR it was written with.
  const first = signedInput ? (rawFirst << 16) >> 16 : rawFirst & 0xffff;
  const bits = descriptor[2]!;
  const entries = new Uint16Array(count);
  if (data instanceof Uint8Array) {
    if (data.length < count * 2 && bits <= 8) entries.set(data.subarray(0, count));
    else
      for (let i = 0; i < count && 2 * i + 1 < data.length; i++)
        entries[i] = data[2 * i]! | (data[2 * i + 1]! << 8);
  } else if (data.length >= count) {
    for (let i = 0; i < count; i++) entries[i] = data[i]! & 0xffff;
  } else if (bits <= 8) {
    for (let i = 0; i < count; i++) entries[i] = (data[i >> 1]! >> (8 * (i & 1))) & 0xff;
  } else return undefined;
  return { first, entries, bits, explanation };
}

/**
 * A segmented table expanded to its entries: PS3.3 §C.7.9.2. Words are segment type, length, and
 * for type 0 the entries, for 1 the end of a straight line, for 2 the place of segments to repeat.
 */
export function expandSegments(words: Uint16Array): Uint16Array<ArrayBuffer> {
  const out: number[] = [];
  const run = (from: number, segments: number, nested: boolean): void => {
    let at = from;
    for (let n = 0; n < segments && at + 1 < words.length; n++) {
      const [kind, length] = [words[at]!, words[at + 1]!];
      at += 2;
      if (kind === 0) {
        for (let i = 0; i < length; i++) out.push(words[at + i] ?? 0);
        at += length;
      } else if (kind === 1) {
        const start = out.at(-1) ?? 0;
        const end = words[at++] ?? 0;
        for (let i = 1; i <= length; i++) out.push(Math.round(start + ((end - start) * i) / length));
      } else if (kind === 2 && !nested) {
        const offset = (words[at] ?? 0) + (words[at + 1] ?? 0) * 65536;
        at += 2;
        run(offset >> 1, length, true);
      } else throw new Error(`a palette's segment of type ${kind} cannot be read`);
      if (out.length > 65536) throw new Error("a segmented palette has more than 65536 entries");
    }
  };
  run(0, Infinity, false);
  return Uint16Array.from(out);
}

export function lookUp(lut: Lut, value: number): number {
  const index = Math.round(value) - lut.first;
  return lut.entries[Math.min(Math.max(index, 0), lut.entries.length - 1)]!;
}
