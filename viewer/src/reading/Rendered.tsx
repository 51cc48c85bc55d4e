// A frame as the server draws it (PS3.18 §10.4.1.1.3), where this browser cannot decode or draw it:
// 8 bits, windowed there, without values, and marked as such.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Frame } from "../dicom/image";
import { t } from "../i18n";
import { instancePath, root } from "../net/address";
import type { Voi } from "../pixels/voi";
import type { Viewport } from "./viewport";

/** A window that is being dragged is asked for when it rests, ms. */
const REST = 150;

interface Props {
  readonly viewport: Viewport;
  readonly frame: Frame;
  /** What is wrong, said when the server has no picture either. */
  readonly title: string;
  readonly reason: string;
  /** Has the frame fetched and decoded anew. */
  readonly retry?: () => void;
}

export function Rendered({ viewport, frame, title, reason, retry }: Props): JSX.Element {
  const wanted = urlOf(frame, viewport.askedVoi.value);
  const [url, setUrl] = useState(wanted);
  const [state, setState] = useState<"asked" | "shown" | "failed">("asked");
  useEffect(() => {
    const timer = setTimeout(() => setUrl(wanted), REST);
    return () => clearTimeout(timer);
  }, [wanted]);
  const toScreen = viewport.toScreen.value;
  const again = retry && ((): void => {
    setState("asked");
    retry();
  });
  if (state === "failed" || !toScreen)
    return (
      <div class="pane-state error" role="alert">
        <strong>{title}</strong>
        <span>{reason}</span>
        {again && (
          <button type="button" class="button" onClick={again}>
            {t("action.retry")}
          </button>
        )}
      </div>
    );
  const { columns, rows } = frame.format;
  return (
    <>
      <img
        class="rendered"
        src={url}
        alt={t("state.rendered")}
        width={columns}
        height={rows}
        style={{
          transform: `matrix(${toScreen.join(",")})`,
          filter: viewport.inverted.value ? "invert(1)" : "none",
          imageRendering: viewport.interpolate.value ? "auto" : "pixelated",
        }}
        onLoad={() => setState("shown")}
        onError={() => setState("failed")}
      />
      {state === "shown" && (
        <div class="preview-mark" role="status">
          {t("state.rendered")}
          {again && (
            <button type="button" class="link" onClick={again}>
              {t("action.retry")}
            </button>
          )}
        </div>
      )}
    </>
  );
}

const FUNCTIONS = { LINEAR: "linear", LINEAR_EXACT: "linear-exact", SIGMOID: "sigmoid" } as const;

/** In the window that was chosen; else in the image's own, which the server finds by the same rules. */
function urlOf(frame: Frame, voi: Voi | undefined): string {
  const url = `${root()}${instancePath(frame.study, frame.series, frame.instance)}/frames/${frame.number}/rendered?accept=image/png`;
  if (voi?.kind !== "window" || frame.format.samples !== 1) return url;
  const suv = frame.modality.suv ?? 1; // the server counts as the scanner wrote
  return `${url}&window=${voi.center / suv},${voi.width / suv},${FUNCTIONS[voi.shape]}`;
}
