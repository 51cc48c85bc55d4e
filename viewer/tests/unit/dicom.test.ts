import { expect, test } from "vitest";
import { framesOf } from "../../src/dicom/image";
import { nameText, number, text } from "../../src/dicom/json";
import { arrange } from "../../src/dicom/stacks";
import { suvFactor } from "../../src/dicom/suv";
import { spacingAt } from "../../src/geometry/spacing";
import type { Item } from "../../src/dicom/write";
import { image, json } from "../instances";

const frame = (extra: Item = {}) => framesOf(json(image({ extra })))[0]!;

test("an ideographic name is shown before the alphabetic one", () => {
  expect(nameText({ Alphabetic: "Wang^XiaoDong", Ideographic: "王^小东" })).toBe("王小东");
  expect(nameText({ Alphabetic: "Doe^John^^Dr" })).toBe("Dr Doe John");
});

test("missing and empty values are undefined", () => {
  expect(text({ "00100010": { vr: "PN" } }, "00100010")).toBeUndefined();
  expect(number({ "00281050": { vr: "DS", Value: [null] } }, "00281050")).toBeUndefined();
});

test("Pixel Spacing equal to the detector's is at the detector, different is calibrated", () => {
  const detector: Item = { "00181164": ["DS", ["0.5", "0.5"]] };
  expect(frame().spacing.source).toBe("patient");
  expect(frame(detector).spacing.source).toBe("detector");
  expect(frame({ ...detector, "00280030": ["DS", ["0.4", "0.4"]] }).spacing.source).toBe("calibrated");
});

test("a magnification factor brings the detector's spacing into the patient", () => {
  const { spacing } = frame({ "00280030": ["DS", []], "00181164": ["DS", ["0.3", "0.3"]], "00181114": ["DS", "1.5"] });
  expect(spacing.row).toBeCloseTo(0.2);
  expect(spacing.source).toBe("calibrated");
});

test("an ultrasound region in centimetres gives the scale inside it, none outside, none in a spectrum", () => {
  const region = (x0: number, x1: number, unit: number): Item => ({
    "00186018": ["UL", x0],
    "0018601A": ["UL", 0],
    "0018601C": ["UL", x1],
    "0018601E": ["UL", 99],
    "00186024": ["US", unit],
    "00186026": ["US", 3],
    "0018602C": ["FD", 0.02],
    "0018602E": ["FD", 0.03],
  });
  const { spacing, regions } = frame({ "00280030": ["DS", []], "00186011": ["SQ", [region(0, 49, 3), region(50, 99, 4)]] });
  expect(spacingAt(spacing, regions, [[1, 1], [20, 20]])).toMatchObject({ column: 0.2, row: 0.3, source: "patient" });
  expect(spacingAt(spacing, regions, [[60, 1]]).source).toBe("none");
  expect(spacingAt(spacing, regions, [[1, 1], [60, 1]]).source).toBe("none");
});

test("rescaled CT values are Hounsfield units; without Rescale they have no unit", () => {
  expect(frame().modality).toMatchObject({ slope: 1, intercept: 0, unit: "HU" });
  const bare = json(image());
  const { "00281052": _i, "00281053": _s, ...rest } = bare;
  expect(framesOf(rest)[0]!.modality.unit).toBe("");
});

test("an enhanced image takes each frame's position and rescale from its functional groups", () => {
  const per = (z: number, slope: number): Item => ({
    "00209113": ["SQ", [{ "00200032": ["DS", ["0", "0", String(z)]] }]],
    "00289145": ["SQ", [{ "00281052": ["DS", "0"], "00281053": ["DS", String(slope)] }]],
  });
  const frames = framesOf(
    json(
      image({
        extra: {
          "00280008": ["IS", 2],
          "52009229": ["SQ", [{ "00289110": ["SQ", [{ "00280030": ["DS", ["2", "3"]] }]] }]],
          "52009230": ["SQ", [per(0, 1), per(7, 2)]],
        },
      }),
    ),
  );
  expect(frames.map((f) => f.plane!.origin[2])).toEqual([0, 7]);
  expect(frames.map((f) => f.modality.slope)).toEqual([1, 2]);
  expect(frames[0]!.spacing).toMatchObject({ row: 2, column: 3 });
});

test("a stack is in order of position, whatever the order of arrival", () => {
  const at = (z: number, n: number) =>
    json(image({ series: "1.5", number: n, extra: { "00200032": ["DS", ["0", "0", String(z)]] } }));
  const { stacks } = arrange([at(20, 3), at(0, 1), at(10, 2)]);
  expect(stacks[0]!.frames.map((f) => f.plane!.origin[2])).toEqual([0, 10, 20]);
});

test("repeated positions are phases of one stack", () => {
  const at = (z: number, n: number) =>
    json(image({ series: "1.5", number: n, extra: { "00200032": ["DS", ["0", "0", String(z)]] } }));
  const { stacks } = arrange([at(0, 1), at(5, 2), at(0, 3), at(5, 4)]);
  expect(stacks[0]!.phases).toBe(2);
  expect(stacks[0]!.frames.map((f) => f.order)).toEqual([1, 2, 3, 4]);
});

test("a localizer of another direction is a stack of its own", () => {
  const slice = json(image({ series: "1.5" }));
  const scout = json(image({ series: "1.5", extra: { "00200037": ["DS", ["0", "1", "0", "0", "0", "-1"]] } }));
  expect(arrange([slice, scout]).stacks).toHaveLength(2);
});

test("SUV by body weight needs weight, dose, half-life, times and both corrections", () => {
  const pet: Item = {
    "00080021": ["DA", "20240102"],
    "00080031": ["TM", "110000"],
    "00080060": ["CS", "PT"],
    "00101030": ["DS", "70"],
    "00280051": ["CS", ["ATTN", "DECY"]],
    "00541001": ["CS", "BQML"],
    "00541102": ["CS", "START"],
    "00540016": ["SQ", [{ "00181072": ["TM", "100000"], "00181074": ["DS", "370000000"], "00181075": ["DS", "6586.2"] }]],
  };
  const expected = 70000 / (370e6 * 2 ** (-3600 / 6586.2));
  expect(suvFactor(json(image({ extra: pet })))).toBeCloseTo(expected, 10);
  expect(frame(pet).modality.unit).toBe("SUV");
  expect(suvFactor(json(image({ extra: { ...pet, "00280051": ["CS", ["ATTN"]] } })))).toBeUndefined();
  expect(frame({ ...pet, "00101030": ["DS", []] }).modality.unit).toBe("Bq/ml");
});

test("padding written with the wrong sign is read with the pixels' sign", () => {
  expect(frame({ "00280120": ["US", 63536] }).padding).toEqual([-2000, -2000]);
});
