import { expect, test } from "vitest";
import { framesOf } from "../../src/dicom/image";
import type { Dataset } from "../../src/dicom/json";
import { part10 } from "../../src/dicom/write";
import { cut, volumeOf, type Volume } from "../../src/geometry/volume";
import { normalize, rotateAbout, type Vec2, type Vec3 } from "../../src/geometry/vector";
import { measurementReport, sopClassOf } from "../../src/tools/sr";
import { annotationsOf, type Opened } from "../../src/tools/srReading";
import { keyObjectSelection, selectedFrames } from "../../src/tools/kos";
import type { Annotation } from "../../src/tools/annotation";
import { resultsOf, TOOLS } from "../../src/tools";
import type { Surface } from "../../src/tools/surface";
import type { ToolName } from "../../src/tools/tool";
import { image, json } from "../instances";

const frame = framesOf(json(image()))[0]!;
const block = Array.from({ length: 5 }, (_, k) => framesOf(json(image({ number: k + 1, series: "1.2.9", extra: { "00200032": ["DS", ["-10", "20", String(2 * k)]] } })))[0]!);
const volume = volumeOf({ id: "", study: "", series: "1.2.9", modality: "CT", description: "", view: "", frames: block, phases: 1 }) as Volume;
const opened: Opened = { frames: new Map([[frame.id, frame]]), volume: (reference) => (reference === "1.2.3.4" ? volume : undefined) };
const surface: Surface = { size: [64, 64], unit: "HU", spacingAt: () => frame.spacing, value: () => 7 };

const DRAWN: Record<ToolName, Vec2[]> = {
  length: [[1, 2], [30, 40]],
  bidirectional: [[0, 0], [40, 0], [20, -5], [20, 5]],
  angle: [[40, 0], [0, 0], [40, 10]],
  cobb: [[0, 0], [40, 0], [0, 20], [40, 30]],
  rectangle: [[10, 10], [20, 30]],
  ellipse: [[10, 10], [20, 30]],
  freehand: [[0, 0], [10, 0], [10, 10], [5, 12]],
  polygon: [[0, 0], [10, 0], [10, 10]],
  probe: [[5, 6]],
  arrow: [[5, 6], [15, 16]],
  text: [[9, 9]],
};

test.each(Object.keys(DRAWN) as ToolName[])("%s comes back from a report as it was drawn", (tool) => {
  const text = TOOLS[tool].text ? "结节" : "";
  const annotation: Annotation = { id: "1", uid: "2.25.7", tool, target: { kind: "frame", frame }, points: DRAWN[tool], text };
  const results = resultsOf(annotation, surface);
  const report = measurementReport([{ annotation, frame, results }], new Date(2024, 0, 2));
  const [back] = annotationsOf(json(report), opened);
  expect(back).toMatchObject({ tool, text, uid: "2.25.7", points: DRAWN[tool] });
  expect(back!.saved?.instance).toBe(report["00080018"]![1]);
});

/** A cut turned out of every standard plane. */
const tilt: Vec3 = normalize([1, 2, 3]);
const [right, down] = ([[1, 0, 0], [0, 0, -1]] as const).map((axis) => rotateAbout(axis, tilt, 0.4)) as [Vec3, Vec3];
const oblique = cut(volume, volume.center, right, down);

test.each(Object.keys(DRAWN) as ToolName[])("%s on an oblique cut comes back on that cut, with what it said", (tool) => {
  const annotation: Annotation = { id: "1", uid: "2.25.7", tool, target: { kind: "cut", plane: oblique, reference: block[0]! }, points: DRAWN[tool], text: TOOLS[tool].text ? "结节" : "" };
  const results = resultsOf(annotation, { ...surface, spacingAt: () => ({ row: oblique.rowSpacing, column: oblique.columnSpacing, source: "patient" }) });
  expect(sopClassOf(annotation)).toBe("1.2.840.10008.5.1.4.1.1.88.34");
  const [back] = annotationsOf(json(measurementReport([{ annotation, frame: block[0]!, results }], new Date())), opened);
  expect(back).toMatchObject({ tool, text: annotation.text, target: { kind: "cut", reference: block[0] } });
  DRAWN[tool].forEach((point, i) => point.forEach((v, axis) => expect(back!.points[i]![axis]).toBeCloseTo(v, 3)));
  if (back!.target.kind === "cut") back!.target.plane.right.forEach((v, i) => expect(v).toBeCloseTo(right[i]!, 5));
  // Without pixels at hand what was stored holds; with them what they say now.
  expect(resultsOf(back!, undefined).map((r) => [r.quantity, r.unit])).toEqual(results.map((r) => [r.quantity, r.unit]));
  resultsOf(back!, undefined).forEach((r, i) => expect(r.value).toBeCloseTo(results[i]!.value, 6));
});

test.each(["length", "polygon"] as const)("%s of a report that names no plane comes back on one that it lies in", (tool) => {
  const annotation: Annotation = { id: "1", uid: "2.25.7", tool, target: { kind: "cut", plane: oblique, reference: block[0]! }, points: DRAWN[tool], text: "" };
  const report = json(measurementReport([{ annotation, frame: block[0]!, results: resultsOf(annotation, surface) }], new Date()));
  const content = (of: Dataset): Dataset[] => of["0040A730"]!.Value as Dataset[];
  content(content(content(report).at(-1)!)[0]!).pop();
  const [back] = annotationsOf(report, opened);
  const distance = (points: readonly Vec2[], scale: number): number => Math.hypot(points[1]![0] - points[0]![0], points[1]![1] - points[0]![1]) * scale;
  expect(distance(back!.points, volume.finest)).toBeCloseTo(distance(DRAWN[tool], volume.finest), 3);
});

test("a report keeps the patient's name with all its groups, in UTF-8", () => {
  const annotation: Annotation = { id: "1", uid: "2.25.7", tool: "length", target: { kind: "frame", frame }, points: DRAWN.length, text: "" };
  const file = part10(measurementReport([{ annotation, frame, results: resultsOf(annotation, surface) }], new Date()));
  const written = new TextDecoder().decode(file);
  expect(written).toContain("Wang^XiaoDong=王^小东");
  expect(written).toContain("ISO_IR 192");
  expect(written.slice(128, 132)).toBe("DICM");
});

test("key images come back from a Key Object Selection", () => {
  expect(selectedFrames(json(keyObjectSelection([frame], new Date())))).toEqual([frame.id]);
});
