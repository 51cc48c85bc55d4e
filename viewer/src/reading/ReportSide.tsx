// The report beside the pictures, fetched when it is first opened: what the report needs of the
// reading page (key images, measurements, the way to a picture) and nothing else of it.

import { useSignal } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { Frame } from "../dicom/image";
import { Tag } from "../dicom/tags";
import { t } from "../i18n";
import type { Pictures } from "../report/Editor";
import type { ImageReference, MeasurementReference } from "../report/model";
import type { ReportPanelProps } from "../report/ReportPanel";
import { ucum } from "../report/units";
import { resultsOf } from "../tools";
import { reasonOf, say } from "../ui/notices";
import { useReading } from "./context";
import { caveat } from "./format";
import { goTo } from "./goTo";
import type { Session } from "./session";
import { surfaceOf } from "./surfaces";

const reference = (frame: Frame): ImageReference => ({
  study_uid: frame.study,
  series_uid: frame.series,
  instance_uid: frame.instance,
  sop_class_uid: frame.sopClass,
  frame_number: frame.dataset[Tag.NumberOfFrames] ? frame.number : 0,
  note: "",
});

function measurements(session: Session): MeasurementReference[] {
  return session.annotations.value.flatMap((annotation) => {
    const label = annotation.text || t(`tool.${annotation.tool}`);
    const image = annotation.target.kind === "frame" ? reference(annotation.target.frame) : null;
    return resultsOf(annotation, surfaceOf(session, annotation)).map((result) => ({
      tracking_uid: annotation.uid,
      // What the length rests on goes into the report with it.
      label: `${label} ${t(`quantity.${result.quantity}`)}${caveat(result)}`,
      kind: result.quantity,
      value: result.value,
      unit: ucum(result.unit),
      image,
    }));
  });
}

function picturesOf(session: Session): Pictures {
  return {
    keyImages: () => session.keyFrames.value.map(reference),
    current: () => {
      const viewport = session.active.value;
      const frame = viewport?.stack.value?.frames[viewport.index.value];
      return frame && reference(frame);
    },
    measurements: () => measurements(session),
    show: (image) => {
      const id = `${image.instance_uid}/${image.frame_number || 1}`;
      for (const stack of session.stacks.value) {
        const frame = stack.frames.find((one) => one.id === id);
        if (frame) return goTo(session, frame);
      }
      say("error", t("state.noImage"));
    },
  };
}

export function ReportSide(): JSX.Element {
  const { session } = useReading();
  const panel = useSignal<ComponentType<ReportPanelProps> | undefined>(undefined);
  const pictures = useMemo(() => picturesOf(session), [session]);
  const study = session.studies.value[0]?.uid;
  useEffect(() => {
    import("../report/ReportPanel").then(
      (loaded) => (panel.value = loaded.default),
      (error: unknown) => say("error", reasonOf(error)),
    );
  }, []);
  const Loaded = panel.value;
  if (!Loaded || !study) return <aside class="panel"><span class="spinner small" /></aside>;
  return <Loaded key={study} study={study} own={session.studies.value[0]?.facts} pictures={pictures} priors={session.priors.value} />;
}
