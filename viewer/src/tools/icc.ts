// The ICC profile that a presentation state of colour images must have (PS3.3 §C.11.15): sRGB
// (IEC 61966-2-1) as an input device, by matrix and curve (ICC.1:2001-04, version 2.4).

const TABLE = 1024; // entries of the curve

/** Of the primaries, adapted to D50. */
const COLORANTS = {
  rXYZ: [0.4360747, 0.2225045, 0.0139322],
  gXYZ: [0.3850649, 0.7168786, 0.0971045],
  bXYZ: [0.1430804, 0.0606169, 0.7141733],
  wtpt: [0.9642, 1, 0.8249],
} as const;

const linear = (v: number): number => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);

export function srgbProfile(): Uint8Array {
  const tags: [names: string[], content: Uint8Array][] = [
    [["desc"], description("sRGB")],
    [["cprt"], element("text", ascii("No copyright\0"))],
    ...Object.entries(COLORANTS).map(([name, xyz]): [string[], Uint8Array] => [[name], element("XYZ ", xyz.map(fixed))]),
    [["rTRC", "gTRC", "bTRC"], element("curv", [long(TABLE), ...Array.from({ length: TABLE }, (_, i) => short(linear(i / (TABLE - 1)) * 0xffff))])],
  ];
  const count = tags.reduce((sum, [names]) => sum + names.length, 0);
  let at = 128 + 4 + 12 * count;
  const table: number[][] = [long(count)];
  for (const [names, content] of tags) {
    for (const name of names) table.push(ascii(name), long(at), long(content.length));
    at += content.length;
  }
  const header = [
    long(at), ascii("\0\0\0\0"), long(0x02400000), ascii("scnrRGB XYZ "), // size, no CMM, version, class, spaces
    ...[2024, 1, 1, 0, 0, 0].map(short), ascii("acsp"), ...Array.from({ length: 7 }, () => long(0)), // made, signature, platform ... intent: perceptual
    ...COLORANTS.wtpt.map(fixed), // of the connection space
  ].flat();
  const start = Uint8Array.from([...header, ...Array.from({ length: 128 - header.length }, () => 0), ...table.flat()]);
  const out = new Uint8Array(at);
  out.set(start);
  tags.reduce((offset, [, content]) => (out.set(content, offset), offset + content.length), start.length);
  return out;
}

const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const short = (v: number): number[] => [(Math.round(v) >> 8) & 0xff, Math.round(v) & 0xff];
const long = (v: number): number[] => [...short(v >>> 16), ...short(v & 0xffff)];
const fixed = (v: number): number[] => long(Math.round(v * 0x10000));

/** Elements begin at multiples of four. */
function element(type: string, parts: readonly number[][] | readonly number[]): Uint8Array {
  const bytes = [...ascii(type), ...long(0), ...parts.flat()];
  return Uint8Array.from([...bytes, ...Array.from({ length: -bytes.length & 3 }, () => 0)]);
}

/** In ASCII alone: no Unicode and no Macintosh one (a fixed field of 67 bytes). */
const description = (text: string): Uint8Array =>
  element("desc", [...long(text.length + 1), ...ascii(`${text}\0`), ...long(0), ...long(0), ...short(0), 0, ...Array.from({ length: 67 }, () => 0)]);
