// A picture with a heading as a PDF page (ISO 32000-1), A4, upright or lying as the picture is. Pixels
// are kept as they are seen, compressed without loss; the heading is drawn, so that any script shows.

const [SHORT, LONG, MARGIN] = [595, 842, 28] as const; // points, 1/72 inch

export interface Sheet {
  readonly title: string; // of the file
  readonly heading: HTMLCanvasElement;
  readonly picture: HTMLCanvasElement;
}

export async function pdf({ title, heading, picture }: Sheet): Promise<Blob> {
  const lying = picture.width > picture.height;
  const [width, height] = lying ? [LONG, SHORT] : [SHORT, LONG];
  const inner = width - 2 * MARGIN;
  const headHeight = (inner * heading.height) / heading.width;
  const room = height - 2 * MARGIN - headHeight - 8;
  const scale = Math.min(inner / picture.width, room / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  const place = (name: string, x: number, y: number, wide: number, tall: number): string =>
    `q ${n(wide)} 0 0 ${n(tall)} ${n(x)} ${n(y)} cm /${name} Do Q\n`;
  const content =
    place("Head", MARGIN, height - MARGIN - headHeight, inner, headHeight) +
    place("Picture", (width - w) / 2, height - MARGIN - headHeight - 8 - h, w, h);
  return file([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Contents 4 0 R /Resources << /XObject << /Head 5 0 R /Picture 6 0 R >> >> >>`,
    { head: "", bytes: new TextEncoder().encode(content) },
    await image(heading),
    await image(picture),
    `<< /Title ${utf16(title)} /Producer (dicomweb-server) >>`,
  ]);
}

const n = (value: number): string => value.toFixed(2);

const utf16 = (text: string): string =>
  `<FEFF${Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, "0")).join("")}>`;

type Part = string | { readonly head: string; readonly bytes: Uint8Array<ArrayBuffer> };

async function image(canvas: HTMLCanvasElement): Promise<Part> {
  const { width, height } = canvas;
  const rgba = canvas.getContext("2d")!.getImageData(0, 0, width, height).data;
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    rgb[3 * i] = rgba[4 * i]!;
    rgb[3 * i + 1] = rgba[4 * i + 1]!;
    rgb[3 * i + 2] = rgba[4 * i + 2]!;
  }
  // "deflate" is the zlib format, which is what FlateDecode reads.
  const packed = new Response(new Blob([rgb]).stream().pipeThrough(new CompressionStream("deflate")));
  return {
    head: `/Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode`,
    bytes: new Uint8Array(await packed.arrayBuffer()),
  };
}

/** Objects numbered from 1, the last being the document's information; then where each begins. */
function file(objects: readonly Part[]): Blob {
  const out: BlobPart[] = [];
  let at = 0;
  const add = (part: string | Uint8Array<ArrayBuffer>): void => {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
    out.push(bytes);
    at += bytes.length;
  };
  add("%PDF-1.4\n%âãÏÓ\n");
  const places = objects.map((object, i) => {
    const place = at;
    add(`${i + 1} 0 obj\n`);
    if (typeof object === "string") add(object);
    else {
      add(`<< ${object.head} /Length ${object.bytes.length} >>\nstream\n`);
      add(object.bytes);
      add("\nendstream");
    }
    add("\nendobj\n");
    return place;
  });
  const start = at;
  add(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.map((p) => `${String(p).padStart(10, "0")} 00000 n \n`).join("")}`);
  add(`trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${start}\n%%EOF\n`);
  return new Blob(out, { type: "application/pdf" });
}
