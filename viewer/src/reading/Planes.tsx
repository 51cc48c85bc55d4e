// Overlay planes over the image of a pane: graphics white, regions of interest as a tint.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Frame } from "../dicom/image";
import { inlineBytes, type Dataset } from "../dicom/json";
import { bitsOf, overlayData, overlayPlanes, type OverlayPlane } from "../dicom/planes";
import { t } from "../i18n";
import { bulk } from "../net/dicomweb";
import { useReading } from "./context";
import type { Viewport } from "./viewport";

const COLOURS = { G: [255, 255, 255, 255], R: [255, 200, 40, 90] } as const;

/** What was fetched, by instance: the frames of a plane come as one value. */
const fetched = new WeakMap<Dataset, Map<string, Promise<Uint8Array>>>();

function dataOf(image: Dataset, group: string): Promise<Uint8Array> {
  const known = fetched.get(image) ?? new Map<string, Promise<Uint8Array>>();
  fetched.set(image, known);
  let data = known.get(group);
  if (!data) {
    const element = image[overlayData(group)];
    const inline = inlineBytes(element);
    data = inline ? Promise.resolve(inline) : bulk(element!.BulkDataURI!);
    known.set(group, data);
    // What did not come is asked for again.
    data.catch(() => known.delete(group));
  }
  return data;
}

export function Planes({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const missing = useSignal<ReadonlySet<string>>(new Set());
  const frame = viewport.frame.value;
  if (!frame || !session.showPlanes.value) return null;
  const planes = overlayPlanes(frame.dataset, frame.number);
  const idOf = (plane: OverlayPlane): string => `${frame.id} ${plane.group}`;
  const lost = planes.filter((plane) => !plane.there || missing.value.has(idOf(plane)));
  return (
    <>
      {planes.map(
        (plane) =>
          plane.there && (
            <PlaneCanvas key={idOf(plane)} viewport={viewport} frame={frame} plane={plane} failed={() => (missing.value = new Set([...missing.value, idOf(plane)]))} />
          ),
      )}
      {lost.length > 0 && <div class="preview-mark planes-mark">{t("planes.missing")}</div>}
    </>
  );
}

function PlaneCanvas({ viewport, frame, plane, failed }: { viewport: Viewport; frame: Frame; plane: OverlayPlane; failed: () => void }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = (packed: Uint8Array): void => {
      const bits = bitsOf(plane, packed);
      if (!bits) return failed();
      const image = new ImageData(plane.columns, plane.rows);
      bits.forEach((bit, i) => bit && image.data.set(COLOURS[plane.kind], i * 4));
      canvas.current?.getContext("2d")!.putImageData(image, 0, 0);
    };
    dataOf(frame.dataset, plane.group).then(draw, failed);
  }, []);
  const m = viewport.toScreen.value;
  const [row, column] = plane.origin;
  return (
    <canvas
      ref={canvas}
      class="segment"
      width={plane.columns}
      height={plane.rows}
      data-plane={plane.group}
      style={m && { transform: `matrix(${m.join(",")}) translate(${column}px, ${row}px)` }}
    />
  );
}
