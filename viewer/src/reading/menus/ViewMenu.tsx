// How the picture is drawn and turned, and what is written upon it.

import type { JSX } from "preact";
import { overlayPlanes } from "../../dicom/planes";
import { t } from "../../i18n";
import { Menu, MenuItem } from "../../ui/controls";
import type { IconName } from "../../ui/icons";
import { ACTIONS, type ActionName } from "../actions";
import { pointsOn } from "../../tools/annotation";
import { shutterAround } from "../../tools/shutter";
import { useReading } from "../context";
import { shortcut } from "../keys";
import type { Viewport } from "../viewport";

export function ViewMenu(): JSX.Element {
  const reading = useReading();
  const { session } = reading;
  const viewport = session.active.value;
  const frame = viewport?.frame.value;
  const run = (name: ActionName): void => {
    ACTIONS[name].run(reading);
  };
  const filters = [
    [-1, "filter.smooth"],
    [0, "filter.none"],
    [1, "filter.sharp"],
    [3, "filter.sharper"],
  ] as const;
  return (
    <Menu icon="filter" label={t("toolbar.view")} pressed={(viewport?.filter.value ?? 0) !== 0}>
      {() => (
        <>
          {filters.map(([value, label]) => (
            <MenuItem key={value} label={t(label)} checked={viewport?.filter.value === value} onClick={() => { if (viewport) viewport.filter.value = value; }} />
          ))}
          <hr />
          <MenuItem
            label={t("filter.interpolate")}
            checked={viewport?.interpolate.value}
            onClick={() => { if (viewport) viewport.interpolate.value = !viewport.interpolate.value; }}
          />
          <hr />
          {(["fit", "one", "rotate", "flipX", "flipY", "invert", "reset"] as const).map((name) => (
            <MenuItem key={name} icon={(ACTIONS[name] as { icon?: IconName }).icon} label={t(ACTIONS[name].label)} hint={shortcut(name)} onClick={() => run(name)} />
          ))}
          <ShutterItems viewport={viewport} />
          <hr />
          <MenuItem label={t("action.toggleCorners")} hint="C" checked={session.showCorners.value} onClick={() => run("toggleCorners")} />
          <MenuItem label={t("action.toggleAnnotations")} hint="M" checked={session.showAnnotations.value} onClick={() => run("toggleAnnotations")} />
          <MenuItem
            label={t("view.planes")}
            checked={session.showPlanes.value}
            disabled={!frame || overlayPlanes(frame.dataset, frame.number).length === 0}
            onClick={() => (session.showPlanes.value = !session.showPlanes.value)}
          />
          <MenuItem
            label={t("view.referenceLines")}
            checked={session.showReferenceLines.value}
            onClick={() => (session.showReferenceLines.value = !session.showReferenceLines.value)}
          />
        </>
      )}
    </Menu>
  );
}

/** Covers all but the region that is selected; takes the cover away, the image's own one too. */
function ShutterItems({ viewport }: { viewport: Viewport | undefined }): JSX.Element | null {
  const { session } = useReading();
  const surface = viewport?.surface.value;
  if (!viewport?.frame.value || !surface) return null;
  const selected = session.annotations.value.find((a) => a.id === session.selected.value && pointsOn(a, viewport.picture.value));
  const shutter = selected && shutterAround(selected, surface);
  return (
    <>
      <hr />
      <MenuItem label={t("view.shutterAround")} disabled={!shutter} onClick={() => (viewport.chosenShutter.value = shutter)} />
      <MenuItem
        label={t("view.shutter")}
        checked={viewport.shutter.value !== undefined}
        disabled={viewport.shutter.value === undefined && viewport.chosenShutter.value !== "none"}
        onClick={() => (viewport.chosenShutter.value = viewport.shutter.value ? "none" : undefined)}
      />
    </>
  );
}
