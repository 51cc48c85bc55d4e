import { expect, test } from "vitest";
import { dateOf, yearsBetween } from "../../src/dicom/dates";
import { framesOf } from "../../src/dicom/image";
import { nameText, number, text } from "../../src/dicom/json";
import { arrange } from "../../src/dicom/stacks";
import { waveformsOf } from "../../src/dicom/waveform";
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

test("Pixel Spacing by itself is not one in the patient on a projection, unless it is said how it was calibrated", () => {
  const projection: Item = { "00080060": ["CS", "DX"], "00200032": ["DS", []], "00200037": ["DS", []] };
  const source = (extra: Item) => {
    const { "00200037": _, ...instance } = json(image({ extra: { ...projection, ...extra } }));
    return framesOf(instance)[0]!.spacing.source;
  };
  expect(source({})).toBe("detector");
  expect(source({ "00280A02": ["CS", "FIDUCIAL"] })).toBe("calibrated");
  expect(source({ "00080060": ["CS", "US"] })).toBe("patient");
  expect(frame({ "00080060": ["CS", "MG"] }).spacing.source).toBe("patient"); // a slice of a tomosynthesis
});

test("without a scale a pixel still has proportions", () => {
  const { spacing, aspect } = frame({ "00280030": ["DS", []], "00280034": ["IS", [2, 1]] });
  expect(spacing).toEqual({ row: 2, column: 1, source: "none" });
  expect(aspect).toBe(2);
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

const tracer = (more: Item = {}): Item => ({
  "00540016": ["SQ", [{ "00181072": ["TM", "100000"], "00181074": ["DS", "370000000"], "00181075": ["DS", "6586.2"], ...more }]],
});
const pet: Item = {
  "00080021": ["DA", "20240102"],
  "00080022": ["DA", "20240102"],
  "00080031": ["TM", "110000"],
  "00080032": ["TM", "110000"],
  "00080060": ["CS", "PT"],
  "00101030": ["DS", "70"],
  "00280051": ["CS", ["ATTN", "DECY"]],
  "00541001": ["CS", "BQML"],
  "00541102": ["CS", "START"],
  ...tracer(),
};
const suv = (extra: Item = {}) => suvFactor(json(image({ extra: { ...pet, ...extra } })));
const factorAfter = (seconds: number): number => 70000 / (370e6 * 2 ** (-seconds / 6586.2));

test("SUV by body weight needs weight, dose, half-life, times and both corrections, and says which is missing", () => {
  expect(suv()).toBeCloseTo(factorAfter(3600), 10);
  expect(frame(pet).modality.unit).toBe("SUV");
  expect(suv({ "00280051": ["CS", ["ATTN"]] })).toBe("corrections");
  expect(suv({ "00101030": ["DS", []] })).toBe("weight");
  expect(suv(tracer({ "00181075": ["DS", []] }))).toBe("halfLife");
  expect(suv(tracer({ "00181072": ["TM", ""] }))).toBe("time");
  expect(frame({ ...pet, "00101030": ["DS", []] }).modality).toMatchObject({ unit: "Bq/ml", noSuv: "weight" });
  expect(suv(tracer({ "00181074": ["DS", "370"] }))).toBe("dose"); // in MBq
  expect(frame().modality.noSuv).toBeUndefined();
});

test("a series made again after the scan does not count from its own time: GE's, or the frame's, or no SUV", () => {
  const late: Item = { "00080031": ["TM", "140000"] };
  expect(suv(late)).toBe("time");
  expect(suv({ ...late, "00090010": ["LO", "GEMS_PETD_01"], "0009100D": ["DT", "20240102110000.00"] })).toBeCloseTo(factorAfter(3600), 10);
  // The second bed, begun 5 minutes after the scan: its mean rate a bit before its middle.
  const rate = Math.LN2 / 6586.2;
  const mean = Math.log((rate * 120) / (1 - Math.exp(-rate * 120))) / rate;
  const bed: Item = { ...late, "00080032": ["TM", "110500"], "00181242": ["IS", 120000], "00541300": ["DS", String((300 + mean) * 1000)] };
  expect(suv(bed)).toBeCloseTo(factorAfter(3600), 10);
});

test("Series Time is held against the first image of the series, not against a later bed", () => {
  const bed = (time: string, n: number) =>
    json(image({ series: "1.5", number: n, extra: { ...pet, "00080031": ["TM", "110200"], "00080032": ["TM", time], "00200032": ["DS", ["0", "0", String(n)]] } }));
  const { stacks } = arrange([bed("110000", 1), bed("110500", 2)]);
  expect(stacks[0]!.frames.map((f) => f.modality.noSuv)).toEqual(["time", "time"]);
});

test("decay is corrected to the scan or to the injection; otherwise values are no SUV", () => {
  expect(suv({ "00541102": ["CS", "ADMIN"] })).toBeCloseTo(factorAfter(0), 10);
  expect(suv({ "00541102": ["CS", "NONE"] })).toBe("decay");
});

test("an injection before midnight is one of the day before; of a long-lived tracer it has to have a date", () => {
  expect(suv({ "00080031": ["TM", "003000"], "00080032": ["TM", "003000"], ...tracer({ "00181072": ["TM", "233000"] }) })).toBeCloseTo(factorAfter(3600), 10);
  expect(suv(tracer({ "00181072": ["TM", "110100"] }))).toBe("time"); // a minute after the scan
  const zirconium = { "00181075": ["DS", "282276"] } satisfies Item;
  expect(suv(tracer(zirconium))).toBe("time");
  const dated = suv(tracer({ ...zirconium, "00181078": ["DT", "20231231110000"] }));
  expect(dated).toBeCloseTo(70000 / (370e6 * 2 ** (-172800 / 282276)), 10);
});

test("a window of an image in Bq/ml is that of its SUV, as wide as it is written", () => {
  const shown = frame({ ...pet, "00281050": ["DS", "5000"], "00281051": ["DS", "10000"] });
  const factor = factorAfter(3600);
  expect(shown.windows[0]!.center).toBeCloseTo(5000 * factor, 10);
  expect(shown.windows[0]!.width).toBeCloseTo(10000 * factor, 10);
  expect(shown.voiFunction).toBe("LINEAR_EXACT");
});

test("g/ml are SUV already, by what SUV Type says (PS3.3 C.8.9.1.1.3)", () => {
  const unit = (extra: Item): string => frame({ ...pet, "00541001": ["CS", "GML"], ...extra }).modality.unit;
  expect(unit({})).toBe("SUV");
  expect(unit({ "00541006": ["CS", "BW"] })).toBe("SUV");
  expect(unit({ "00541006": ["CS", "LBM"] })).toBe("SUVlbm");
});

test("what is no day of the calendar is no date, and gives no age", () => {
  expect(dateOf("00000000")).toBeUndefined();
  expect(dateOf("20240230")).toBeUndefined();
  expect(yearsBetween("19800203", "20240202")).toBe(43);
  expect(yearsBetween("00000000", "00000000")).toBeUndefined();
});

test("padding written with the wrong sign is read with the pixels' sign", () => {
  expect(frame({ "00280120": ["US", 63536] }).padding).toEqual([-2000, -2000]);
});

test("a channel's baseline is in its unit, not in steps of the encoding (PS3.3 C.10.9)", async () => {
  const channel = { "003A0210": ["DS", "2.5"], "003A0211": ["SQ", [{ "00080100": ["SH", "uV"] }]], "003A0212": ["DS", "2"], "003A0213": ["DS", "100"] } satisfies Item;
  const group = { "003A0005": ["US", 1], "003A0010": ["UL", 2], "003A0200": ["SQ", [channel]], "003A001A": ["DS", "500"], "54001004": ["US", 16], "54001006": ["CS", "SS"] } satisfies Item;
  const samples = btoa(String.fromCharCode(0, 0, 10, 0));
  const [waveform] = await waveformsOf({ "54000100": { vr: "SQ", Value: [{ ...json(group), "54001010": { vr: "OW", InlineBinary: samples } }] } });
  expect([...waveform!.channels[0]!.samples]).toEqual([100, 150]);
});
