// Pseudo-colour maps: control points, expanded to 256 RGB entries.

export type ColormapName = "hot-iron" | "pet" | "rainbow" | "jet" | "viridis" | "cool" | "bone" | "inferno";

type Stop = readonly [at: number, r: number, g: number, b: number];

const MAPS: Readonly<Record<ColormapName, readonly Stop[]>> = {
  // PS3.6 §B.1.1 Hot Iron: red rises first, then green, blue last.
  "hot-iron": [[0, 0, 0, 0], [0.5, 255, 0, 0], [0.75, 255, 128, 0], [1, 255, 255, 255]],
  pet: [[0, 0, 0, 0], [0.25, 0, 128, 125], [0.5, 130, 0, 252], [0.62, 255, 4, 253], [0.75, 255, 125, 0], [1, 255, 255, 255]],
  rainbow: [[0, 0, 0, 0], [0.1, 80, 0, 120], [0.3, 0, 0, 255], [0.5, 0, 220, 60], [0.75, 255, 255, 0], [0.9, 255, 0, 0], [1, 255, 255, 255]],
  jet: [[0, 0, 0, 131], [0.125, 0, 60, 170], [0.375, 5, 255, 255], [0.625, 255, 255, 0], [0.875, 250, 0, 0], [1, 128, 0, 0]],
  viridis: [[0, 68, 1, 84], [0.25, 59, 82, 139], [0.5, 33, 145, 140], [0.75, 94, 201, 98], [1, 253, 231, 37]],
  cool: [[0, 0, 0, 0], [0.5, 0, 110, 220], [1, 190, 255, 255]],
  bone: [[0, 0, 0, 0], [0.375, 84, 84, 116], [0.75, 167, 199, 199], [1, 255, 255, 255]],
  inferno: [[0, 0, 0, 4], [0.25, 87, 16, 110], [0.5, 188, 55, 84], [0.75, 249, 142, 9], [1, 252, 255, 164]],
};

export const COLORMAPS = Object.keys(MAPS) as readonly ColormapName[];

/** 256 entries of RGBA. */
export function colormap(name: ColormapName | undefined): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(1024);
  const stops = name ? MAPS[name] : ([[0, 0, 0, 0], [1, 255, 255, 255]] as const);
  for (let i = 0; i < 256; i++) {
    const at = i / 255;
    const n = Math.max(stops.findIndex((stop) => stop[0] >= at), 1);
    const [a, b] = [stops[n - 1]!, stops[n]!];
    const t = (at - a[0]) / (b[0] - a[0]);
    for (let c = 1; c <= 3; c++) out[i * 4 + c - 1] = Math.round(a[c]! + (b[c]! - a[c]!) * t);
    out[i * 4 + 3] = 255;
  }
  return out;
}
