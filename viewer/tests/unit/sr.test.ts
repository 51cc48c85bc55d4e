import { expect, test } from "vitest";
import { framesOf } from "../../src/dicom/image";
import { part10 } from "../../src/dicom/write";
import { annotationsOf, measurementReport } from "../../src/tools/sr";
import { keyObjectSelection, selectedFrames } from "../../src/tools/kos";
import type { Annotation } from "../../src/tools/annotation";
import { TOOLS } from "../../src/tools";
import type { Surface } from "../../src/tools/surface";
import type { ToolName } from "../../src/tools/tool";
import type { Vec2 } from "../../src/geometry/vector";
import { image, json } from "../instances";

const frame = framesOf(json(image()))[0]!;
const frames = new Map([[frame.id, frame]]);
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
  const report = measurementReport([{ annotation, frame, surface }], new Date(2024, 0, 2));
  const [back] = annotationsOf(json(report), frames);
  expect(back).toMatchObject({ tool, text, uid: "2.25.7", points: DRAWN[tool] });
  expect(back!.saved?.instance).toBe(report["00080018"]![1]);
});

test("a report keeps the patient's name with all its groups, in UTF-8", () => {
  const annotation: Annotation = { id: "1", uid: "2.25.7", tool: "length", target: { kind: "frame", frame }, points: DRAWN.length, text: "" };
  const file = part10(measurementReport([{ annotation, frame, surface }], new Date()));
  const written = new TextDecoder().decode(file);
  expect(written).toContain("Wang^XiaoDong=王^小东");
  expect(written).toContain("ISO_IR 192");
  expect(written.slice(128, 132)).toBe("DICM");
});

test("key images come back from a Key Object Selection", () => {
  expect(selectedFrames(json(keyObjectSelection([frame], new Date())))).toEqual([frame.id]);
});
