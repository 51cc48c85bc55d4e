// RLE Lossless: PS3.5 annex G. Segments are byte planes, most significant byte of a sample first.

export function decodeRle(
  encoded: Uint8Array,
  pixelCount: number,
  samples: number,
  bytesPerSample: number,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const segments = view.getUint32(0, true);
  if (segments !== samples * bytesPerSample)
    throw new Error(`RLE frame has ${segments} segments, ${samples * bytesPerSample} expected`);
  const out = new Uint8Array(pixelCount * samples * bytesPerSample);
  for (let segment = 0; segment < segments; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : encoded.length;
    const sample = Math.floor(segment / bytesPerSample);
    const byte = bytesPerSample - 1 - (segment % bytesPerSample); // little endian in the output
    const first = sample * bytesPerSample + byte;
    const step = samples * bytesPerSample;
    unpack(encoded.subarray(start, end), out, first, step);
  }
  return out;
}

/** PackBits, each decoded byte written `step` bytes after the last one. */
function unpack(encoded: Uint8Array, out: Uint8Array, first: number, step: number): void {
  let at = first;
  for (let i = 0; i + 1 < encoded.length && at < out.length; ) {
    const control = encoded[i++]!;
    if (control < 128) {
      for (let n = 0; n <= control && at < out.length; n++, at += step) out[at] = encoded[i++]!;
    } else if (control > 128) {
      const value = encoded[i++]!;
      for (let n = 0; n < 257 - control && at < out.length; n++, at += step) out[at] = value;
    }
  }
  if (at < out.length) throw new Error("RLE segment ends before its last pixel");
}
