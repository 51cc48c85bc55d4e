// Palettes of PALETTE COLOR images, fetched where servers send them as bulk data: PS3.3 §C.7.9.

import type { Palette } from "../dicom/image";
import type { PaletteTable } from "../pixels/color";
import { expandSegments, lutFrom } from "../pixels/lut";
import { bulk } from "./dicomweb";

const words = (bytes: Uint8Array): Uint16Array =>
  Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));

export async function paletteTable(palette: Palette): Promise<PaletteTable> {
  const channels = await Promise.all(
    [palette.red, palette.green, palette.blue].map(async ({ descriptor, bytes, uri, segmented }) => {
      const content = bytes ?? (uri ? await bulk(uri) : undefined);
      const entries = content && segmented ? new Uint8Array(expandSegments(words(content)).buffer) : content;
      const lut = entries && lutFrom(descriptor, entries, false);
      if (!lut) throw new Error("the palette is incomplete");
      return lut;
    }),
  );
  const count = channels[0]!.entries.length;
  const rgb = new Uint8Array(count * 3);
  channels.forEach((lut, channel) => {
    const shift = Math.max(lut.bits - 8, 0);
    for (let i = 0; i < count; i++) rgb[i * 3 + channel] = lut.entries[i]! >> shift;
  });
  return { first: channels[0]!.first, rgb };
}
