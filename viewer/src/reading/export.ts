// What is seen, as a file or on paper: the picture with its lines and texts, and whose it is.

import { text } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, t } from "../i18n";
import { reasonOf, say } from "../ui/notices";
import type { Reading } from "./context";
import type { Viewport } from "./viewport";

export async function exportImage(reading: Reading, what: "pane" | "layout" | "print"): Promise<void> {
  const { session } = reading;
  const active = session.active.value;
  try {
    const panes = what === "pane" ? (active ? [active] : []) : session.visible.value;
    if (panes.length === 0) return;
    const canvas = compose(reading, panes);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("the picture is too large");
    if (what === "print") print(blob, banner(panes[0]!));
    else save(blob, `${fileName(panes[0]!)}.png`);
  } catch (error) {
    say("error", reasonOf(error));
  }
}

function facts(viewport: Viewport): { name: string; id: string; date: string; series: string } {
  const d = viewport.reference.value?.dataset ?? {};
  return {
    name: text(d, Tag.PatientName) ?? "—",
    id: text(d, Tag.PatientID) ?? "—",
    date: formatDate(text(d, Tag.StudyDate)),
    series: text(d, Tag.SeriesDescription) ?? "",
  };
}

function banner(viewport: Viewport): string {
  const { name, id, date, series } = facts(viewport);
  return [name, id, date, series].filter(Boolean).join("   ");
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
function compose({ painter }: Reading, panes: readonly Viewport[]): HTMLCanvasElement {
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
    if (element) drawOverlay(context, element, pane.rect.value.x - left, pane.rect.value.y - top);
  }
  return canvas;
}

function drawOverlay(context: CanvasRenderingContext2D, pane: Element, x: number, y: number): void {
  const origin = pane.getBoundingClientRect();
  context.save();
  context.translate(x, y);
  for (const path of pane.querySelectorAll<SVGGeometryElement>("svg.overlay path, svg.overlay line, svg.overlay circle, svg.overlay rect")) {
    const style = getComputedStyle(path);
    if (path.tagName === "rect" && path.closest(".legend")) continue;
    const shape = new Path2D(outline(path));
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

/** Through the browser's own print dialog, which also writes PDF; the banner names the patient. */
function print(blob: Blob, heading: string): void {
  const sheet = document.createElement("div");
  sheet.className = "print-sheet";
  const title = document.createElement("p");
  title.textContent = `${heading}   ${t("export.printed", { date: new Date().toLocaleString() })}`;
  const image = document.createElement("img");
  image.alt = heading;
  image.onload = () => {
    window.print();
    sheet.remove();
    URL.revokeObjectURL(image.src);
  };
  image.src = URL.createObjectURL(blob);
  sheet.append(title, image);
  document.body.append(sheet);
}
