// Transfer functions of volume rendering: what colour and how opaque a value is.

export interface TransferFunction {
  /** Values at the ends of the table; null: of the image's own window. */
  readonly range: readonly [number, number] | null;
  /** Position 0..1 in the range (or a value, when there is one), then red, green, blue, opacity 0..1. */
  readonly points: readonly (readonly [at: number, r: number, g: number, b: number, a: number])[];
  readonly shaded: boolean;
}

export const TRANSFER_FUNCTIONS = {
  bone: {
    range: [-200, 1800],
    points: [[-200, 0, 0, 0, 0], [150, 0.5, 0.25, 0.15, 0], [300, 0.85, 0.65, 0.5, 0.25], [700, 1, 0.93, 0.82, 0.75], [1800, 1, 1, 1, 0.95]],
    shaded: true,
  },
  vessels: {
    range: [-100, 900],
    points: [[-100, 0, 0, 0, 0], [120, 0.6, 0.05, 0.02, 0], [200, 0.85, 0.15, 0.08, 0.35], [350, 0.95, 0.5, 0.3, 0.6], [600, 1, 0.92, 0.8, 0.8], [900, 1, 1, 1, 0.9]],
    shaded: true,
  },
  skin: {
    range: [-900, 700],
    points: [[-900, 0, 0, 0, 0], [-500, 0.75, 0.5, 0.4, 0], [-250, 0.85, 0.62, 0.5, 0.45], [100, 0.9, 0.7, 0.58, 0.6], [700, 1, 0.95, 0.9, 0.9]],
    shaded: true,
  },
  lung: {
    range: [-1000, 200],
    points: [[-1000, 0, 0, 0, 0], [-900, 0.2, 0.3, 0.5, 0.004], [-700, 0.5, 0.7, 0.9, 0.02], [-450, 0.9, 0.6, 0.5, 0.08], [0, 0.7, 0.2, 0.15, 0.03], [200, 1, 0.9, 0.8, 0.12]],
    shaded: true,
  },
  soft: {
    range: null,
    points: [[0, 0, 0, 0, 0], [0.15, 0.2, 0.12, 0.1, 0], [0.35, 0.6, 0.4, 0.35, 0.06], [0.7, 0.9, 0.8, 0.72, 0.25], [1, 1, 1, 1, 0.6]],
    shaded: true,
  },
} as const satisfies Record<string, TransferFunction>;

export type TransferName = keyof typeof TRANSFER_FUNCTIONS;

const ENTRIES = 512;

/** The table as RGBA bytes, and the value range it spans. */
export function transferTable(
  name: TransferName,
  window: readonly [number, number],
): { rgba: Uint8Array<ArrayBuffer>; low: number; high: number } {
  const { range, points }: TransferFunction = TRANSFER_FUNCTIONS[name];
  const [low, high] = range ?? window;
  const at = (p: number): number => (range ? (p - low) / (high - low) : p);
  const rgba = new Uint8Array(ENTRIES * 4);
  for (let i = 0; i < ENTRIES; i++) {
    const x = i / (ENTRIES - 1);
    const n = Math.min(Math.max(points.findIndex((p) => at(p[0]) >= x), 1), points.length - 1);
    const [a, b] = [points[n - 1]!, points[n]!];
    const t = Math.min(Math.max((x - at(a[0])) / (at(b[0]) - at(a[0])), 0), 1);
    for (let c = 0; c < 4; c++) rgba[i * 4 + c] = Math.round((a[c + 1]! + (b[c + 1]! - a[c + 1]!) * t) * 255);
  }
  return { rgba, low, high };
}
