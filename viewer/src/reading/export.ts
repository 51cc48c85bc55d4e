// What is seen, as a file or on paper: the picture with its lines and texts, and whose it is.

import { signal } from "@preact/signals";
import { text } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, locale, t } from "../i18n";
import { rest } from "../net/rest";
import { reasonOf, say } from "../ui/notices";
import type { Reading } from "./context";
import { ageText, sexText } from "./Corners";
import type { Viewport } from "./viewport";

/** How far a film is, while one is recorded. */
export const recording = signal<{ readonly done: number; readonly total: number } | undefined>(undefined);

export type Export = "pane" | "layout" | "pdf" | "print" | "film";

export async function exportSeen(reading: Reading, what: Export): Promise<void> {
  const { session } = reading;
  const active = session.active.value;
  try {
    const panes = what === "pane" || what === "film" ? (active ? [active] : []) : session.visible.value;
    const [first] = panes;
    if (!first?.source.value || first.source.value.kind === "document") return say("error", t("export.none"));
    const studies = new Set(panes.flatMap((pane) => pane.reference.value?.study ?? []));
    const form = what === "pane" || what === "layout" ? "png" : what;
    // It is written down before anything leaves: what cannot be, does not.
    const note = async (): Promise<void> => {
      for (const study of studies) await rest("POST", "/exports", { body: { study, form, panes: panes.length } });
    };
    if (what === "film") {
      const { film } = await import("./film");
      const { blob, ending } = await film(reading, first);
      await note();
      return save(blob, `${fileName(first)}.${ending}`);
    }
    const picture = compose(reading, panes);
    if (what === "pdf") {
      const { pdf } = await import("./pdf");
      const document = await pdf({ title: banner(first), heading: heading(first, picture.width), picture });
      await note();
      return save(document, `${fileName(first)}.pdf`);
    }
    const blob = await new Promise<Blob | null>((resolve) => picture.toBlob(resolve, "image/png"));
    if (!blob) throw new Error(t("export.tooLarge"));
    await note();
    if (what === "print") print(blob, heading(first, 1600));
    else save(blob, `${fileName(first)}.png`);
  } catch (error) {
    say("error", t("common.error", { reason: reasonOf(error) }));
  }
}

function facts(viewport: Viewport): { name: string; id: string; sexAge: string; accession: string; date: string; series: string; study: string; institution: string } {
  const d = viewport.reference.value?.dataset ?? {};
  return {
    name: text(d, Tag.PatientName) ?? "—",
    id: text(d, Tag.PatientID) ?? "—",
    sexAge: `${sexText(text(d, Tag.PatientSex))} · ${ageText(d)}`,
    accession: text(d, Tag.AccessionNumber) ?? "—",
    date: formatDate(text(d, Tag.StudyDate)),
    study: text(d, Tag.StudyDescription) ?? "",
    series: text(d, Tag.SeriesDescription) ?? "",
    institution: text(d, Tag.InstitutionName) ?? "",
  };
}

function banner(viewport: Viewport): string {
  const { name, id, date, series } = facts(viewport);
  return [name, id, date, series].filter(Boolean).join("   ");
}

/** Whose picture it is, black on white, `width` pixels wide: the top of a sheet of paper. */
function heading(viewport: Viewport, width: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(width, 900);
  const size = canvas.width / 60;
  canvas.height = Math.round(size * 4.4);
  const context = canvas.getContext("2d", { alpha: false })!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const family = getComputedStyle(document.documentElement).fontFamily;
  const { name, id, sexAge, accession, date, study, series, institution } = facts(viewport);
  const write = (left: string, right: string, y: number, weight: number, scale: number): void => {
    context.fillStyle = weight > 500 ? "#000" : "#333";
    context.font = `${weight} ${size * scale}px ${family}`;
    context.textAlign = "right";
    const room = canvas.width - context.measureText(right).width - size;
    context.fillText(right, canvas.width, y * size);
    context.textAlign = "left";
    context.fillText(left, 0, y * size, room);
  };
  write(name, institution, 1.3, 650, 1.25);
  write(`ID ${id}   ${sexAge}   ${t("corner.accession")} ${accession}`, date, 2.6, 400, 0.95);
  write([study, series].filter(Boolean).join(" · "), t("export.printed", { date: new Date().toLocaleString(locale.value) }), 3.8, 400, 0.95);
  context.fillStyle = "#000";
  context.fillRect(0, canvas.height - 2, canvas.width, 2);
  return canvas;
}

const fileName = (viewport: Viewport): string => {
  const { id, series } = facts(viewport);
  return `${id}-${series || "image"}`.replace(/[^\p{L}\p{N}_-]+/gu, "_");
};

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The panes' part of the canvas, then overlay lines and texts drawn as they stand on the page. */
export function compose({ painter }: Reading, panes: readonly Viewport[]): HTMLCanvasElement {
  const stage = painter.current;
  if (!stage) throw new Error(t("export.none"));
  const { ratio } = stage;
  const rects = panes.map((p) => p.rect.value);
  const left = Math.min(...rects.map((r) => r.x));
  const top = Math.min(...rects.map((r) => r.y));
  const right = Math.max(...rects.map((r) => r.x + r.width));
  const bottom = Math.max(...rects.map((r) => r.y + r.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round((right - left) * ratio);
  canvas.height = Math.round((bottom - top) * ratio);
  const context = canvas.getContext("2d")!;
  context.drawImage(stage.canvas, -left * ratio, -top * ratio);
  context.scale(ratio, ratio);
  for (const pane of panes) {
    const element = document.querySelector(`[data-pane="${pane.id}"]`);
    const rendered = element?.querySelector<HTMLImageElement>("img.rendered");
    if (rendered) drawRendered(context, rendered, pane, pane.rect.value.x - left, pane.rect.value.y - top);
    if (element) drawOverlay(context, element, pane.rect.value.x - left, pane.rect.value.y - top);
  }
  return canvas;
}

/** The server's picture, where the pane shows that one. */
function drawRendered(context: CanvasRenderingContext2D, image: HTMLImageElement, pane: Viewport, x: number, y: number): void {
  const { width, height } = pane.rect.value;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.translate(x, y);
  context.transform(...pane.toScreen.value!);
  context.filter = pane.inverted.value ? "invert(1)" : "none";
  context.drawImage(image, 0, 0, image.width, image.height);
  context.restore();
}

function drawOverlay(context: CanvasRenderingContext2D, pane: Element, x: number, y: number): void {
  const origin = pane.getBoundingClientRect();
  context.save();
  context.beginPath();
  context.rect(x, y, origin.width, origin.height);
  context.clip();
  context.translate(x, y);
  context.imageSmoothingEnabled = false;
  for (const layer of pane.querySelectorAll<HTMLCanvasElement>("canvas.segment")) {
    const { a, b, c, d, e, f } = new DOMMatrix(getComputedStyle(layer).transform);
    context.save();
    context.transform(a, b, c, d, e, f);
    context.drawImage(layer, 0, 0);
    context.restore();
  }
  for (const path of pane.querySelectorAll<SVGGeometryElement>("svg.overlay path, svg.overlay line, svg.overlay circle, svg.overlay rect")) {
    const style = getComputedStyle(path);
    if (path.tagName === "rect" && path.closest(".legend")) continue;
    const shape = new Path2D(outline(path));
    if (path.classList.contains("shutter")) {
      context.fillStyle = style.fill;
      context.fill(shape, "evenodd");
      continue;
    }
    context.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map(parseFloat));
    context.lineWidth = parseFloat(style.strokeWidth) || 1;
    context.strokeStyle = style.stroke;
    if (style.stroke !== "none") context.stroke(shape);
  }
  context.setLineDash([]);
  context.textBaseline = "middle";
  for (const element of pane.querySelectorAll<HTMLElement | SVGElement>(".corner > div, .letter, .preview-mark, svg.overlay tspan, svg.overlay .scale text, svg.overlay .legend text")) {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    context.font = `${style.fontSize} ${style.fontFamily}`;
    context.lineWidth = 3;
    context.strokeStyle = "#000";
    context.fillStyle = element instanceof SVGElement ? style.fill : style.color;
    const [tx, ty] = [box.left - origin.left, box.top - origin.top + box.height / 2];
    context.strokeText(element.textContent ?? "", tx, ty);
    context.fillText(element.textContent ?? "", tx, ty);
  }
  context.restore();
}

function outline(element: SVGGeometryElement): string {
  const n = (name: string): number => Number(element.getAttribute(name) ?? 0);
  switch (element.tagName) {
    case "line":
      return `M${n("x1")} ${n("y1")}L${n("x2")} ${n("y2")}`;
    case "circle":
      return `M${n("cx") - n("r")} ${n("cy")}a${n("r")} ${n("r")} 0 1 0 ${2 * n("r")} 0a${n("r")} ${n("r")} 0 1 0 ${-2 * n("r")} 0`;
    default:
      return element.getAttribute("d") ?? "";
  }
}

/** Through the browser's own print dialog; the heading names the patient. */
function print(blob: Blob, top: HTMLCanvasElement): void {
  const sheet = document.createElement("div");
  sheet.className = "print-sheet";
  const image = document.createElement("img");
  image.alt = "";
  image.onload = () => {
    window.print();
    sheet.remove();
    URL.revokeObjectURL(image.src);
  };
  image.src = URL.createObjectURL(blob);
  sheet.append(top, image);
  document.body.append(sheet);
}
