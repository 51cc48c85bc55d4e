// Beside the pictures: measurements, key images, facts of the image.

import type { JSX } from "preact";
import { text } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { t } from "../i18n";
import { may } from "../access/session";
import { resultsOf } from "../tools";
import type { Annotation } from "../tools/annotation";
import { IconButton } from "../ui/controls";
import { useReading } from "./context";
import { goTo, goToAnnotation } from "./goTo";
import { resultText } from "./format";
import { removeAnnotation, saveKeyImages, saveMeasurements } from "./saving";
import { Stored } from "./Stored";
import { surfaceOf } from "./surfaces";

export function Panel(): JSX.Element {
  const reading = useReading();
  const { session } = reading;
  const annotations = session.annotations.value;
  const unsaved = session.unsavedMeasurements.value;
  const keys = session.keyFrames.value;
  return (
    <aside class="panel" aria-label={t("toolbar.panel")}>
      <section>
        <h2>{t("panel.measurements")}</h2>
        {annotations.length === 0 ? (
          <p class="quiet">{t("panel.noMeasurements")}</p>
        ) : (
          <ul class="measurements">
            {annotations.map((annotation) => (
              <Row key={annotation.id} annotation={annotation} />
            ))}
          </ul>
        )}
        {may("store") && (annotations.length > 0 || session.edited.value) && (
          <button type="button" class="button primary" disabled={!unsaved} onClick={() => void saveMeasurements(session)}>
            {unsaved ? t("panel.save") : t("panel.saved")}
          </button>
        )}
      </section>
      {session.overlays.value.length > 0 && (
        <section>
          <h2>{t("panel.overlays")}</h2>
          <ul class="overlay-list">
            {session.overlays.value.map((overlay) => (
              <li key={overlay.id}>
                <label>
                  <input
                    type="checkbox"
                    checked={!session.hiddenOverlays.value.has(overlay.id)}
                    onChange={() => {
                      const next = new Set(session.hiddenOverlays.value);
                      if (!next.delete(overlay.id)) next.add(overlay.id);
                      session.hiddenOverlays.value = next;
                    }}
                  />
                  <i style={{ background: `rgb(${overlay.color.join(",")})` }} /> {overlay.label}
                </label>
              </li>
            ))}
          </ul>
        </section>
      )}
      {(keys.length > 0 || session.unsavedKeys.value) && (
        <section>
          <h2>{t("panel.keyImages")}</h2>
          <ul class="measurements">
            {keys.map((frame) => (
              <li key={frame.id}>
                <button type="button" class="row" onClick={() => goTo(reading.session, frame)}>
                  <b>{text(frame.dataset, Tag.SeriesDescription) ?? t("strip.unnamed")}</b>
                  <span>{frame.order || frame.number}</span>
                </button>
                <IconButton icon="close" label={t("action.remove")} onClick={() => (session.keyFrames.value = keys.filter((f) => f !== frame))} />
              </li>
            ))}
          </ul>
          {may("store") && (
            <button type="button" class="button" disabled={!session.unsavedKeys.value} onClick={() => void saveKeyImages(session)}>
              {session.unsavedKeys.value ? t("panel.saveKeys") : t("panel.saved")}
            </button>
          )}
        </section>
      )}
      <Stored />
    </aside>
  );
}

function Row({ annotation }: { annotation: Annotation }): JSX.Element {
  const { session } = useReading();
  const frame = annotation.target.kind === "frame" ? annotation.target.frame : annotation.target.reference;
  void session.store.changed(frame.series).value;
  const results = resultsOf(annotation, surfaceOf(session, annotation));
  const selected = session.selected.value === annotation.id;
  return (
    <li class={selected ? "selected" : ""}>
      <button
        type="button"
        class="row"
        onClick={() => goToAnnotation(session, annotation)}
      >
        <b>{annotation.text || t(`tool.${annotation.tool}`)}</b>
        {results.map((result) => (
          <span key={result.quantity}>{resultText(result)}</span>
        ))}
      </button>
      <IconButton
        icon="trash"
        label={t("action.deleteSelected")}
        onClick={() => removeAnnotation(session, annotation.id)}
      />
    </li>
  );
}
