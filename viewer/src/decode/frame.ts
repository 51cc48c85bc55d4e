// One frame as it came over the network to pixels: codec, sample layout, sign, colour.

import type { PixelFormat } from "../dicom/format";
import { applyPalette, interleave, widen422, ybrFullToRgb, type PaletteTable } from "../pixels/color";
import { lookUp, PADDED, type Lut } from "../pixels/lut";
import { pixels, type Pixels, type Values } from "../pixels/pixels";
import { codec, type Decoded } from "./codecs";
import { EXPLICIT_LITTLE_ENDIAN } from "./parts";
import { decodeRle } from "./rle";

const RLE = "1.2.840.10008.1.2.5";
const NATIVE = new Set(["1.2.840.10008.1.2", EXPLICIT_LITTLE_ENDIAN, "1.2.840.10008.1.2.1.99"]);

export interface FrameFormat extends PixelFormat {
  readonly palette?: PaletteTable;
  readonly modalityLut?: Lut;
  /** Stored values that the table is not for: they become PADDED. */
  readonly padding?: readonly [low: number, high: number];
}

/** Raised when no codec here knows the transfer syntax: the server can still decode it for us. */
export class NoCodec extends Error {}

/** `reduced`: the beginning of an HTJ2K codestream, with so many times fewer rows and columns. */
export async function decodeFrame(
  encoded: Uint8Array<ArrayBuffer>,
  transferSyntax: string,
  whole: FrameFormat,
  reduced = 1,
): Promise<Pixels> {
  const format = { ...whole, rows: Math.ceil(whole.rows / reduced), columns: Math.ceil(whole.columns / reduced) };
  const { rows, columns, samples } = format;
  const count = rows * columns;
  if (NATIVE.has(transferSyntax)) return finish(nativeSamples(encoded, format), format, false);
  if (transferSyntax === RLE) {
    const bytes = decodeRle(encoded, count, samples, format.bitsAllocated / 8);
    return finish(bytes, { ...format, planar: false }, false);
  }
  const decode = await codec(transferSyntax);
  if (!decode) throw new NoCodec(`no codec for transfer syntax ${transferSyntax}`);
  const decoded = decode(encoded, Math.log2(reduced));
  if (decoded.bytes.length === 0) throw new Error("the frame is damaged: its codec cannot read it");
  if (decoded.width !== columns || decoded.height !== rows || decoded.components !== samples)
    throw new Error(
      `the frame is ${decoded.width}×${decoded.height}×${decoded.components}, its header says ${columns}×${rows}×${samples}`,
    );
  return { ...finish(decoded.bytes, { ...format, ...coded(decoded, format) }, decoded.rgb), reduced };
}

/** The layout of samples that a codec gives: by its own precision, never planar. */
function coded(decoded: Decoded, format: PixelFormat): Partial<PixelFormat> {
  const bytes = decoded.bytes.length / (decoded.width * decoded.height * decoded.components);
  return {
    planar: false,
    bitsAllocated: bytes * 8,
    bitsStored: Math.min(format.bitsStored, bytes * 8),
    // Codecs give values without bits around them.
    highBit: Math.min(format.bitsStored, bytes * 8) - 1,
    float: false,
    photometric: decoded.rgb && format.samples === 3 ? "RGB" : format.photometric,
  };
}

function nativeSamples(bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): Uint8Array<ArrayBuffer> {
  const count = format.rows * format.columns;
  const chroma = format.photometric === "YBR_FULL_422" ? 2 : format.samples;
  const needed = Math.ceil((count * chroma * format.bitsAllocated) / 8);
  if (bytes.length < needed) throw new Error(`the frame has ${bytes.length} bytes, ${needed} are needed`);
  if (format.bitsAllocated === 1) {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = (bytes[i >> 3]! >> (i & 7)) & 1;
    return out;
  }
  if (format.photometric === "YBR_FULL_422") return widen422(bytes, count);
  return bytes.length === needed ? bytes : bytes.slice(0, needed);
}

function finish(bytes: Uint8Array<ArrayBuffer>, format: FrameFormat, decodedRgb: boolean): Pixels {
  const { rows, columns } = format;
  if (format.samples === 3) {
    if (format.bitsAllocated !== 8) bytes = highBytes(bytes, format);
    const planar = format.planar && format.photometric !== "YBR_FULL_422";
    const rgb = planar ? interleave(bytes, 3) : bytes;
    if (!decodedRgb && format.photometric.startsWith("YBR_FULL")) ybrFullToRgb(rgb);
    return pixels(rows, columns, 3, rgb);
  }
  if (format.samples !== 1) throw new Error(`${format.samples} samples per pixel cannot be shown`);
  const values = storedBits(typed(bytes, format), format);
  if (format.palette) return pixels(rows, columns, 3, applyPalette(values, format.palette));
  if (format.modalityLut) {
    const { modalityLut: lut, padding } = format;
    const stored = values as ArrayLike<number>;
    if (!padding) return pixels(rows, columns, 1, Uint16Array.from(stored, (v) => lookUp(lut, v)));
    const [low, high] = padding;
    return pixels(rows, columns, 1, Int32Array.from(stored, (v) => (v >= low && v <= high ? PADDED : lookUp(lut, v))));
  }
  return pixels(rows, columns, 1, values);
}

/** 16-bit colour to the 8 bits a screen shows. */
function highBytes(bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): Uint8Array<ArrayBuffer> {
  const wide = typed(bytes, format);
  const shift = Math.max(format.bitsStored - 8, 0);
  return Uint8Array.from(wide as ArrayLike<number>, (v) => v >> shift);
}

function typed(bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): Values {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  if (format.float) {
    if (format.bitsAllocated === 64) return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    return new Float32Array(buffer, byteOffset, byteLength / 4);
  }
  switch (format.bitsAllocated) {
    case 1:
      return aligned;
    case 8:
      return format.signed ? new Int8Array(buffer, byteOffset, byteLength) : aligned;
    case 16: {
      return format.signed
        ? new Int16Array(buffer, byteOffset, byteLength >> 1)
        : new Uint16Array(buffer, byteOffset, byteLength >> 1);
    }
    case 32:
      return format.signed
        ? new Int32Array(buffer, byteOffset, byteLength >> 2)
        : new Uint32Array(buffer, byteOffset, byteLength >> 2);
    default:
      throw new Error(`${format.bitsAllocated} bits allocated cannot be shown`);
  }
}

/**
 * Bits outside Bits Stored are no part of the value: overlays of old, or a sign that was not
 * extended (PS3.5 §8.1.1).
 */
function storedBits(values: Values, format: PixelFormat): Values {
  const unused = format.bitsAllocated - format.bitsStored;
  const above = format.bitsAllocated - 1 - format.highBit;
  if (format.float || unused <= 0 || above < 0 || above > unused || format.bitsAllocated === 1) return values;
  const up = 32 - format.bitsAllocated + above;
  const down = 32 - format.bitsStored;
  if (format.signed) for (let i = 0; i < values.length; i++) values[i] = (values[i]! << up) >> down;
  else for (let i = 0; i < values.length; i++) values[i] = (values[i]! << up) >>> down;
  return values;
}
