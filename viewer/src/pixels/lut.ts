// Look-up tables of DICOM: descriptor and data (PS3.3 §C.11.1.1.1, §C.7.6.3.1.5).

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

export function lookUp(lut: Lut, value: number): number {
  const index = Math.round(value) - lut.first;
  return lut.entries[Math.min(Math.max(index, 0), lut.entries.length - 1)]!;
}
