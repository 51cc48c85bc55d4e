declare module "@cornerstonejs/codec-*";
declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    xDim: number;
    yDim: number;
    numComp: number;
    decode(buffer: ArrayBuffer, offset: number, length: number): Uint8Array | Uint16Array;
  }
}
declare module "@cornerstonejs/codec-openjph/wasm?url" {
  const url: string;
  export default url;
}
