// Segments and contours over the image of a pane.

import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Contours, Segment } from "../dicom/overlays";
import type { Frame } from "../dicom/image";
import { fromPatient, toPatient } from "../geometry/plane";
import { apply, type Affine } from "../geometry/view";
import { dot, subtract, type Vec2 } from "../geometry/vector";
import { useReading } from "./context";
import type { Viewport } from "./viewport";

export function Segments({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const frame = viewport.frame.value;
  if (!frame) return null;
  const hidden = session.hiddenOverlays.value;
  return (
    <>
      {session.overlays.value.map((overlay) => {
        if (overlay.kind !== "segment" || hidden.has(overlay.id)) return null;
        const own = overlay.frames.find((f) => lies(f, frame));
        return own && <SegmentFrame key={`${overlay.id} ${own.frame.id}`} viewport={viewport} segment={overlay} frame={own.frame} />;
      })}
    </>
  );
}

/** Whether a segmentation's frame belongs to an image: named as its source, else in its plane. */
function lies({ frame, source }: Segment["frames"][number], image: Frame): boolean {
  if (source !== undefined && source === image.id) return true;
  if (!frame.plane || !image.plane || frame.frameOfReference !== image.frameOfReference) return false;
  if (Math.abs(dot(frame.plane.normal, image.plane.normal)) < 0.999) return false;
  const off = Math.abs(dot(subtract(frame.plane.origin, image.plane.origin), image.plane.normal));
  return off < (image.thickness ?? 1) / 2 + 1e-3;
}

function SegmentFrame({ viewport, segment, frame }: { viewport: Viewport; segment: Segment; frame: Frame }): JSX.Element {
  const { session } = useReading();
  const canvas = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    void session.store.changed(frame.series).value;
    const element = canvas.current;
    const pixels = session.store.get(frame);
    if (!element) return;
    if (!pixels) {
      session.wantAlso([frame]);
      return;
    }
    const full = frame.format.bitsAllocated === 1 ? 1 : Math.max(pixels.max, 1);
    const image = new ImageData(pixels.columns, pixels.rows);
    for (let i = 0; i < pixels.values.length; i++) {
      const value = pixels.values[i]!;
      if (value === 0) continue;
      image.data.set(segment.color, i * 4);
      image.data[i * 4 + 3] = Math.round((value / full) * 115);
    }
    element.width = pixels.columns;
    element.height = pixels.rows;
    element.getContext("2d")!.putImageData(image, 0, 0);
  });
  const m = placed(viewport, frame);
  return <canvas ref={canvas} class="segment" data-label={segment.label} style={m && { transform: `matrix(${m.join(",")})` }} />;
}

/** From the segmentation's image coordinates to the screen: they may differ in size and place. */
function placed(viewport: Viewport, frame: Frame): Affine | undefined {
  const toScreen = viewport.toScreen.value;
  const image = viewport.frame.value;
  if (!toScreen || !image) return undefined;
  const { plane } = frame;
  if (!plane || !image.plane) return toScreen;
  const at = (p: Vec2): Vec2 => apply(toScreen, fromPatient(image.plane!, toPatient(plane, p)).at);
  const [o, x, y] = [at([0, 0]), at([1, 0]), at([0, 1])];
  return [x[0] - o[0], x[1] - o[1], y[0] - o[0], y[1] - o[1], o[0], o[1]];
}

/** SVG paths of the contours that lie in the pane's plane. */
export function ContourLines({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const plane = viewport.plane.value;
  const toScreen = viewport.toScreen.value;
  const frame = viewport.frame.value;
  if (!plane || !toScreen || !frame) return null;
  const hidden = session.hiddenOverlays.value;
  const near = (frame.thickness ?? 1) / 2 + 1e-3;
  return (
    <>
      {session.overlays.value.map((overlay) => {
        if (overlay.kind !== "contours" || hidden.has(overlay.id) || foreign(overlay, frame)) return null;
        const d = overlay.closed
          .filter((points) => points[0] && Math.abs(fromPatient(plane, points[0]).distance) < near)
          .map((points) => `M${points.map((p) => apply(toScreen, fromPatient(plane, p).at).map((v) => v.toFixed(1)).join(" ")).join("L")}Z`)
          .join("");
        return d && <path key={overlay.id} class="contour" d={d} style={{ stroke: `rgb(${overlay.color.join(",")})` }} data-label={overlay.label} />;
      })}
    </>
  );
}

const foreign = (contours: Contours, frame: Frame): boolean =>
  contours.frameOfReference !== undefined && frame.frameOfReference !== undefined && contours.frameOfReference !== frame.frameOfReference;
