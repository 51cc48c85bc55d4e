// Decoded pixels of one frame, as every later stage takes them.

export type Values =
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>;

export interface Pixels {
  readonly rows: number;
  readonly columns: number;
  readonly samples: 1 | 3; // 3: RGB, interleaved, 8 bits each
  readonly reduced: number; // 1, or by how much a preview has fewer rows and columns than the image
  readonly values: Values; // stored values, or modality values when a Modality LUT was applied
  readonly min: number;
  readonly max: number;
}

export function pixels(rows: number, columns: number, samples: 1 | 3, values: Values): Pixels {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return { rows, columns, samples, reduced: 1, values, min, max };
}
