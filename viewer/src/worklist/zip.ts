// A zip archive of stored (not compressed) files, built in the browser: APPNOTE 6.3, no zip64.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

export class Zip {
  private readonly parts: BlobPart[] = [];
  private readonly directory: Uint8Array<ArrayBuffer>[] = [];
  private offset = 0;

  add(name: string, bytes: Uint8Array<ArrayBuffer>): void {
    const path = new TextEncoder().encode(name);
    const crc = crc32(bytes);
    const local = header(0x04034b50, 30, path, (view) => fields(view, 4, crc, bytes.length, path.length));
    this.parts.push(local, bytes);
    const at = this.offset;
    this.directory.push(
      header(0x02014b50, 46, path, (view) => {
        view.setUint16(4, 20, true);
        fields(view, 6, crc, bytes.length, path.length);
        view.setUint32(42, at, true);
      }),
    );
    this.offset += local.length + bytes.length;
  }

  finish(): Blob {
    const size = this.directory.reduce((sum, entry) => sum + entry.length, 0);
    if (this.offset + size > 0xffffffff || this.directory.length > 0xffff) throw new Error("too large for one zip file");
    const end = new DataView(new ArrayBuffer(22));
    end.setUint32(0, 0x06054b50, true);
    end.setUint16(8, this.directory.length, true);
    end.setUint16(10, this.directory.length, true);
    end.setUint32(12, size, true);
    end.setUint32(16, this.offset, true);
    return new Blob([...this.parts, ...this.directory, end.buffer], { type: "application/zip" });
  }
}

function header(signature: number, length: number, name: Uint8Array, fill: (view: DataView) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  fill(view);
  bytes.set(name, length);
  return bytes;
}

/** Version, UTF-8 flag, stored, no time, checksum, sizes, name length: alike in both headers. */
function fields(view: DataView, at: number, crc: number, size: number, nameLength: number): void {
  view.setUint16(at, 20, true);
  view.setUint16(at + 2, 0x0800, true);
  view.setUint16(at + 8, 0x0021, true); // 1 January 1980
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, size, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, nameLength, true);
}
