// Colour spaces of native and losslessly compressed frames to RGB: PS3.3 §C.7.6.3.1.2.

const clamp = (v: number): number => (v < 0 ? 0 : v > 255 ? 255 : v);

/** YBR_FULL to RGB, in place, interleaved. */
export function ybrFullToRgb(values: Uint8Array): void {
  for (let i = 0; i + 2 < values.length; i += 3) {
    const y = values[i]!;
    const cb = values[i + 1]! - 128;
    const cr = values[i + 2]! - 128;
    values[i] = clamp(Math.round(y + 1.402 * cr));
    values[i + 1] = clamp(Math.round(y - 0.344136 * cb - 0.714136 * cr));
    values[i + 2] = clamp(Math.round(y + 1.772 * cb));
  }
}

/** YBR_FULL_422 (Y Y Cb Cr for each two pixels) to YBR_FULL. */
export function widen422(values: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const wide = new Uint8Array(count * 3);
  for (let pair = 0; pair * 2 < count; pair++) {
    const cb = values[pair * 4 + 2]!;
    const cr = values[pair * 4 + 3]!;
    for (let n = 0; n < 2 && pair * 2 + n < count; n++)
      wide.set([values[pair * 4 + n]!, cb, cr], (pair * 2 + n) * 3);
  }
  return wide;
}

/** RRR...GGG...BBB... to RGBRGB... */
export function interleave(values: Uint8Array, samples: number): Uint8Array<ArrayBuffer> {
  const count = values.length / samples;
  const out = new Uint8Array(values.length);
  for (let s = 0; s < samples; s++)
    for (let i = 0; i < count; i++) out[i * samples + s] = values[s * count + i]!;
  return out;
}

export interface PaletteTable {
  readonly first: number;
  readonly rgb: Uint8Array<ArrayBuffer>; // 3 bytes an entry
}

export function applyPalette(values: ArrayLike<number>, table: PaletteTable): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(values.length * 3);
  const last = table.rgb.length / 3 - 1;
  for (let i = 0; i < values.length; i++) {
    const entry = Math.min(Math.max(values[i]! - table.first, 0), last) * 3;
    out[i * 3] = table.rgb[entry]!;
    out[i * 3 + 1] = table.rgb[entry + 1]!;
    out[i * 3 + 2] = table.rgb[entry + 2]!;
  }
  return out;
}
