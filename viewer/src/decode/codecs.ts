// One row a transfer syntax: which codec decodes it. Codecs load when the first frame needs them, but
// for OpenJPH's, which the first frame of most studies does.

import charlsUrl from "@cornerstonejs/codec-charls/decodewasm?url";
import jpegUrl from "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url";
import openjphGlue from "@cornerstonejs/codec-openjph/wasmjs";
import openjpegUrl from "@cornerstonejs/codec-openjpeg/decodewasm?url";
import openjphUrl from "@cornerstonejs/codec-openjph/wasm?url";

export interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly components: number;
  readonly bits: number;
  readonly bytes: Uint8Array<ArrayBuffer>; // interleaved, little endian, 1 or 2 bytes a sample
  readonly rgb: boolean; // the codec undid the colour transform
}

/** `halvings`: how often the picture's sides are halved, where the codec can. */
export type Decode = (encoded: Uint8Array, halvings: number) => Decoded;

interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  delete(): void;
}

/** OpenJPH's, which reads a codestream's beginning as a smaller picture. */
interface ScalableDecoder extends WasmDecoder {
  decodeSubResolution(halvings: number): void;
  calculateSizeAtDecompositionLevel(halvings: number): { width: number; height: number };
}

type WasmModule = Record<string, new () => WasmDecoder>;
interface Options {
  locateFile(): string;
  instantiateWasm?(imports: WebAssembly.Imports, use: (instance: WebAssembly.Instance) => void): object;
}
type Factory = (options: Options) => Promise<WasmModule>;

let openjphCompiled: WebAssembly.Module | undefined;

/** The page has compiled OpenJPH already; it is made ready at once. */
export function useCompiled(openjphModule: WebAssembly.Module): void {
  openjphCompiled = openjphModule;
  void codec("1.2.840.10008.1.2.4.202")?.catch(() => undefined);
}

async function wasm(
  load: () => Promise<unknown>,
  url: string,
  decoder: string,
  rgb: boolean,
  compiled?: WebAssembly.Module,
): Promise<Decode> {
  const loaded = (await load()) as { default: Factory | { default: Factory } };
  const factory = typeof loaded.default === "function" ? loaded.default : loaded.default.default;
  const module = await factory({
    locateFile: () => new URL(url, import.meta.url).href,
    ...(compiled && {
      instantiateWasm(imports, use) {
        void WebAssembly.instantiate(compiled, imports).then(use);
        return {};
      },
    }),
  });
  return (encoded, halvings) => {
    const instance = new module[decoder]!();
    try {
      instance.getEncodedBuffer(encoded.length).set(encoded);
      let { width, height } = { width: 0, height: 0 };
      if (halvings > 0) {
        const scalable = instance as ScalableDecoder;
        scalable.decodeSubResolution(halvings);
        ({ width, height } = scalable.calculateSizeAtDecompositionLevel(halvings));
      } else {
        instance.decode();
        ({ width, height } = instance.getFrameInfo());
      }
      const { bitsPerSample, componentCount } = instance.getFrameInfo();
      // The decoded buffer is a window on the codec's heap: copy it before the next frame.
      const bytes = new Uint8Array(instance.getDecodedBuffer());
      return { width, height, components: componentCount, bits: bitsPerSample, bytes, rgb };
    } finally {
      instance.delete();
    }
  };
}

const openjph = (): Promise<Decode> =>
  wasm(() => Promise.resolve({ default: openjphGlue }), openjphUrl, "HTJ2KDecoder", true, openjphCompiled);
const openjpeg = (): Promise<Decode> =>
  wasm(() => import("@cornerstonejs/codec-openjpeg/decodewasmjs"), openjpegUrl, "J2KDecoder", true);
const charls = (): Promise<Decode> =>
  wasm(() => import("@cornerstonejs/codec-charls/decodewasmjs"), charlsUrl, "JpegLSDecoder", false);
const jpeg = (): Promise<Decode> =>
  wasm(() => import("@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs"), jpegUrl, "JPEGDecoder", true);

async function jpegLossless(): Promise<Decode> {
  const { Decoder } = await import("jpeg-lossless-decoder-js");
  return (encoded) => {
    const decoder = new Decoder();
    const copy = encoded.slice();
    const out = decoder.decode(copy.buffer, 0, copy.length);
    const { xDim, yDim, numComp } = decoder;
    const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength) as Uint8Array<ArrayBuffer>;
    const bits = 8 * Math.round(out.byteLength / (xDim * yDim * numComp));
    return { width: xDim, height: yDim, components: numComp, bits, bytes, rgb: false };
  };
}

const TABLE: Readonly<Record<string, () => Promise<Decode>>> = {
  "1.2.840.10008.1.2.4.50": jpeg,
  "1.2.840.10008.1.2.4.57": jpegLossless,
  "1.2.840.10008.1.2.4.70": jpegLossless,
  "1.2.840.10008.1.2.4.80": charls,
  "1.2.840.10008.1.2.4.81": charls,
  "1.2.840.10008.1.2.4.90": openjpeg,
  "1.2.840.10008.1.2.4.91": openjpeg,
  "1.2.840.10008.1.2.4.201": openjph,
  "1.2.840.10008.1.2.4.202": openjph,
  "1.2.840.10008.1.2.4.203": openjph,
};

const loaded = new Map<() => Promise<Decode>, Promise<Decode>>();

/** The decoder of a transfer syntax, or undefined when this viewer has none. */
export function codec(transferSyntax: string): Promise<Decode> | undefined {
  const load = TABLE[transferSyntax];
  if (!load) return undefined;
  let decode = loaded.get(load);
  if (!decode) {
    decode = load();
    decode.catch(() => loaded.delete(load));
    loaded.set(load, decode);
  }
  return decode;
}
