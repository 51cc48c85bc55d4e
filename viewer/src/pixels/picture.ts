// A frame as 8-bit RGBA, computed on the CPU: thumbnails, printing, and the reference that the
// WebGL2 renderer is tested against.

import type { Frame } from "../dicom/image";
import { colormap, type ColormapName } from "./colormap";
import type { Pixels } from "./pixels";
import { grey, type Voi } from "./voi";

export interface Look {
  readonly inverse: boolean;
  readonly colormap?: ColormapName;
}

/** Samples every `step` pixels in both directions. */
export function picture(frame: Frame, pixels: Pixels, voi: Voi, step = 1, look: Look = frame): ImageData {
  const map = look.colormap && colormap(look.colormap);
  const width = Math.max(Math.floor(pixels.columns / step), 1);
  const height = Math.max(Math.floor(pixels.rows / step), 1);
  const out = new Uint8ClampedArray(width * height * 4);
  const { values, samples } = pixels;
  const { slope, intercept } = frame.modality;
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y + 0.5) * step) * pixels.columns;
    for (let x = 0; x < width; x++) {
      const from = (row + Math.floor((x + 0.5) * step)) * samples;
      const to = (y * width + x) * 4;
      out[to + 3] = 255;
      if (samples === 3) {
        for (let c = 0; c < 3; c++) {
          const shade = Math.round(grey(voi, values[from + c]!) * 255);
          out[to + c] = look.inverse ? 255 - shade : shade;
        }
        continue;
      }
      const stored = values[from]!;
      const padded = frame.padding && stored >= frame.padding[0] && stored <= frame.padding[1];
      const level = padded ? 0 : grey(voi, stored * slope + intercept);
      const shade = Math.round((look.inverse && !padded ? 1 - level : level) * 255);
      if (map && !padded) out.set(map.subarray(shade * 4, shade * 4 + 3), to);
      else out[to] = out[to + 1] = out[to + 2] = shade;
    }
  }
  return new ImageData(out, width, height);
}
