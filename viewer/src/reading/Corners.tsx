// Four-corner information, from the data; what is missing is shown as missing.

import type { JSX } from "preact";
import { yearsBetween } from "../dicom/dates";
import { number, text, type Dataset } from "../dicom/json";
import type { Frame } from "../dicom/image";
import { projectionOf, type Projection } from "../dicom/projection";
import { Tag } from "../dicom/tags";
import { letters } from "../geometry/plane";
import { measurable } from "../geometry/spacing";
import { add, normalize, scale } from "../geometry/vector";
import { screenDirections } from "../geometry/view";
import { formatAge, formatDate, formatNumber, formatTime, t } from "../i18n";
import { useReading } from "./context";
import type { Viewport } from "./viewport";

const missing = "—";

export function sexText(value: string | undefined): string {
  return value === "M" ? t("sex.M") : value === "F" ? t("sex.F") : value === "O" ? t("sex.O") : missing;
}

export function ageText(dataset: Dataset): string {
  const age = text(dataset, Tag.PatientAge);
  if (age) return formatAge(age);
  const years = yearsBetween(text(dataset, Tag.PatientBirthDate), text(dataset, Tag.StudyDate));
  return years === undefined ? missing : `${years}${t("age.years")}`;
}

function patientLines(d: Dataset): string[] {
  return [
    text(d, Tag.PatientName) ?? missing,
    `ID ${text(d, Tag.PatientID) ?? missing}`,
    `${sexText(text(d, Tag.PatientSex))} · ${ageText(d)}`,
    `${t("corner.accession")} ${text(d, Tag.AccessionNumber) ?? missing}`,
  ];
}

function studyLines(d: Dataset): string[] {
  return [
    text(d, Tag.InstitutionName) ?? `${t("corner.institution")} ${missing}`,
    `${formatDate(text(d, Tag.StudyDate)) || missing} ${formatTime(text(d, Tag.AcquisitionTime) ?? text(d, Tag.StudyTime))}`.trim(),
    text(d, Tag.StudyDescription) ?? text(d, Tag.BodyPartExamined) ?? `${t("corner.study")} ${missing}`,
    `${number(d, Tag.SeriesNumber) ?? missing} ${text(d, Tag.SeriesDescription) ?? missing}`,
  ];
}

const with_ = (label: string, value: number | undefined, unit: string, digits = 0): string | undefined =>
  value === undefined ? undefined : `${label} ${formatNumber(value, digits)} ${unit}`;

function techniqueLine(d: Dataset, modality: string): string | undefined {
  const parts =
    modality === "MR"
      ? [with_("TR", number(d, Tag.RepetitionTime), "ms"), with_("TE", number(d, Tag.EchoTime), "ms", 1)]
      : [with_("", number(d, Tag.KVP), "kV"), with_("", number(d, Tag.XRayTubeCurrent), "mA"), text(d, Tag.ConvolutionKernel)];
  const line = parts.filter(Boolean).join(" · ").trim();
  return line || undefined;
}

export function Corners({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session, drafts } = useReading();
  const frame = viewport.reference.value;
  if (!frame || !session.showCorners.value) return null;
  const d = frame.dataset;
  const source = viewport.source.value;
  const modality = text(d, Tag.Modality) ?? "";
  const { at, count } = viewport.range.value;
  const voi = viewport.voi.value;
  const placement = viewport.placement.value;
  const colour = frame.format.samples === 3 || frame.palette;
  const spacing = viewport.frame.value?.spacing;
  const slab = viewport.slab.value;
  const pointer = drafts.pointer.value;
  const value =
    pointer && pointer.viewport === viewport ? viewport.surface.value?.value(pointer.image[0], pointer.image[1]) : undefined;
  const location = viewport.frame.value && number(d, Tag.SliceLocation);
  const bottomLeft = [
    pointer?.viewport === viewport && typeof value === "number"
      ? `x ${Math.floor(pointer.image[0])} y ${Math.floor(pointer.image[1])}: ${formatNumber(value, Number.isInteger(value) ? 0 : 2)} ${frame.modality.unit}`
      : undefined,
    !colour && voi?.kind === "window" ? `W ${formatNumber(voi.width, voi.width < 10 ? 2 : 0)} L ${formatNumber(voi.center, voi.width < 10 ? 2 : 0)}` : undefined,
    frame.modality.noSuv && `${t("suv.none")}: ${t(`suv.no.${frame.modality.noSuv}`)}`,
    voi?.kind === "table" ? `LUT ${voi.lut.explanation ?? ""}` : undefined,
    placement && source?.kind !== "volume" ? `${t("corner.zoom")} ${formatNumber(placement.zoom * 100, 0)}%` : undefined,
    techniqueLine(d, modality),
  ];
  const bottomRight = [
    frame.lossy !== undefined ? `${t("corner.lossy")} ${frame.lossy ? `${frame.lossy}:1` : ""}` : undefined,
    frame.thickness !== undefined && source?.kind === "stack" ? `${t("corner.thickness")} ${formatNumber(frame.thickness, 2)} mm` : undefined,
    location !== undefined ? `${t("corner.location")} ${formatNumber(location, 1)} mm` : undefined,
    source?.kind === "mpr"
      ? `${t(`mpr.${source.view}`)}${slab.thickness > 0 ? ` · ${t(`slab.${slab.mode}`)} ${formatNumber(slab.thickness, 0)} mm` : ""}`
      : undefined,
    spacing?.source === "none" && frame.regions.length === 0 ? t(measurable(spacing) ? "spacing.none" : "spacing.oblong") : undefined,
    count > 0 ? `${at + 1} / ${count}` : undefined,
  ];
  const corner = (name: string, lines: readonly (string | undefined)[]): JSX.Element => (
    <div class={`corner ${name}`}>
      {lines.map((line, i) => line !== undefined && <div key={i}>{line}</div>)}
    </div>
  );
  return (
    <>
      {corner("top left", patientLines(d))}
      {corner("top right", studyLines(d))}
      {corner("bottom left", bottomLeft)}
      {corner("bottom right", bottomRight)}
      <SideMark frame={viewport.frame.value} />
      <Orientation viewport={viewport} />
    </>
  );
}

/** Side and view of a projection; that the side is missing, where nothing says it. */
function SideMark({ frame }: { frame: Frame | undefined }): JSX.Element | null {
  const projection = frame && projectionOf(frame.dataset);
  if (!projection) return null;
  const said = sideText(projection);
  if (said === "") return null;
  return <div class={projection.stated ? "letter side" : "letter side missing"}>{said}</div>;
}

export function sideText({ side, view, stated }: Projection): string {
  const words = [stated ? side && side !== "U" && t(`side.${side}`) : t("side.missing"), view];
  return words.filter(Boolean).join(" ");
}

function Orientation({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const plane = viewport.plane.value;
  const placement = viewport.placement.value;
  const source = viewport.source.value;
  if (source?.kind === "volume") {
    const { right, down } = viewport.eye.value;
    return <Letters right={letters(right)} left={letters(scale(right, -1))} down={letters(down)} up={letters(scale(down, -1))} />;
  }
  if (!placement) return null;
  const axes = screenDirections(placement);
  if (!plane) {
    // Projection images say it in words: Patient Orientation, PS3.3 §C.7.6.1.1.1.
    const frame = viewport.frame.value;
    const [row, column] = frame ? [frame.dataset[Tag.PatientOrientation]?.Value?.[0], frame.dataset[Tag.PatientOrientation]?.Value?.[1]] : [];
    if (typeof row !== "string" || typeof column !== "string") return null;
    const side = (v: readonly [number, number]): string =>
      Math.abs(v[0]) > Math.abs(v[1]) ? (v[0] > 0 ? row : opposite(row)) : v[1] > 0 ? column : opposite(column);
    const negative = ([x, y]: readonly [number, number]): readonly [number, number] => [-x, -y];
    return <Letters right={side(axes.right)} left={side(negative(axes.right))} down={side(axes.down)} up={side(negative(axes.down))} />;
  }
  const toPatient = ([x, y]: readonly [number, number]) => normalize(add(scale(plane.right, x), scale(plane.down, y)));
  const right = toPatient(axes.right);
  const down = toPatient(axes.down);
  return <Letters right={letters(right)} left={letters(scale(right, -1))} down={letters(down)} up={letters(scale(down, -1))} />;
}

const OPPOSITE: Readonly<Record<string, string>> = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const opposite = (side: string): string => [...side].map((letter) => OPPOSITE[letter] ?? letter).join("");

function Letters(sides: { right: string; left: string; up: string; down: string }): JSX.Element {
  return (
    <>
      {(["left", "right", "up", "down"] as const).map((side) => (
        <div key={side} class={`letter ${side}`}>
          {sides[side]}
        </div>
      ))}
    </>
  );
}
